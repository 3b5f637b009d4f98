package wire

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
)

// number is a JSON number, exact however many digits it and its exponent have: 0.
// and its digits, times ten to the power of its point. The digits neither begin nor
// end with 0, so that equal numbers have equal fields; zero has none. Reading one
// takes time and memory linear in its length, whatever its value.
type number struct {
	negative bool
	digits   []byte
	point    string // a whole number in decimal
}

// readNumber reads a valid JSON number.
func readNumber(v []byte) (n number) {
	v, n.negative = bytes.CutPrefix(v, []byte("-"))
	mantissa, exponent := v, []byte(nil)
	if e := bytes.IndexAny(v, "eE"); e >= 0 {
		mantissa, exponent = v[:e], v[e+1:]
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	all := append(append(make([]byte, 0, len(mantissa)), whole...), fraction...)
	digits := bytes.TrimLeft(all, "0")
	point := len(whole) - (len(all) - len(digits))
	n.digits = bytes.TrimRight(digits, "0")
	if len(n.digits) == 0 {
		return number{}
	}
	n.point = sum(exponent, point)
	return n
}

const (
	safeDigits    = 17 // so many decimal digits, and what is added to them, fit into an int64
	tooManyDigits = 20 // so many never do
)

// sum returns exponent + n in decimal. The exponent may have a sign, leading zeros
// and any number of digits; n is a length.
func sum(exponent []byte, n int) string {
	digits, negative := bytes.CutPrefix(exponent, []byte("-"))
	digits = bytes.TrimLeft(digits, "+0")
	if len(digits) <= safeDigits {
		small, _ := strconv.ParseInt("0"+string(digits), 10, 64)
		if negative {
			small = -small
		}
		return strconv.FormatInt(small+int64(n), 10)
	}
	if negative {
		return "-" + plus(digits, -n)
	}
	return plus(digits, n)
}

// plus returns digits + n, where digits are more than n could change the sign of.
func plus(digits []byte, n int) string {
	result := append(make([]byte, 0, 1+len(digits)), '0')
	result = append(result, digits...)
	for i := len(result) - 1; n != 0; i-- {
		n += int(result[i] - '0')
		digit := (n%10 + 10) % 10
		result[i] = '0' + byte(digit)
		n = (n - digit) / 10
	}
	return string(bytes.TrimLeft(result, "0"))
}

// isWhole reports whether n has no fraction: 60.0 and 6e1 have none.
func (n *number) isWhole() bool {
	if len(n.digits) == 0 {
		return true
	}
	if len(n.point) > safeDigits {
		return n.point[0] != '-'
	}
	point, _ := strconv.Atoi(n.point)
	return point >= len(n.digits)
}

// int64 returns a whole number, or the nearest that an int64 can hold.
func (n *number) int64() int64 {
	if len(n.digits) == 0 {
		return 0
	}
	zeros := tooManyDigits
	if len(n.point) <= safeDigits {
		point, _ := strconv.Atoi(n.point)
		zeros = min(zeros, point-len(n.digits))
	}
	text := string(n.digits) + strings.Repeat("0", zeros)
	if n.negative {
		text = "-" + text
	}
	value, _ := strconv.ParseInt(text, 10, 64) // the nearest one, if it is out of range
	return value
}

// Beyond so many places of zeros, a number is spelled with an exponent.
const (
	zerosBehind = 21
	zerosBefore = 6
)

// append spells n in the one way of RFC 8785, though with all its digits.
func (n *number) append(dst []byte) []byte {
	if len(n.digits) == 0 {
		return append(dst, '0')
	}
	if n.negative {
		dst = append(dst, '-')
	}
	if len(n.point) <= safeDigits {
		switch point, _ := strconv.Atoi(n.point); {
		case point > zerosBehind || point <= -zerosBefore:
		case point <= 0:
			return append(append(append(dst, "0."...), strings.Repeat("0", -point)...), n.digits...)
		case point < len(n.digits):
			return append(append(append(dst, n.digits[:point]...), '.'), n.digits[point:]...)
		default:
			return append(append(dst, n.digits...), strings.Repeat("0", point-len(n.digits))...)
		}
	}
	dst = append(dst, n.digits[0])
	if len(n.digits) > 1 {
		dst = append(append(dst, '.'), n.digits[1:]...)
	}
	dst = append(dst, 'e')
	exponent := sum([]byte(n.point), -1)
	if exponent[0] != '-' {
		dst = append(dst, '+')
	}
	return append(dst, exponent...)
}

// numbersOf returns the compact JSON v with each number spelled in the one way.
func numbersOf(v []byte) []byte {
	out := make([]byte, 0, len(v))
	for i := 0; i < len(v); {
		end := i + 1
		switch c := v[i]; {
		case c == '"':
			end = i + strict.StringEnd(v[i:])
			out = append(out, v[i:end]...)
		case c == '-' || '0' <= c && c <= '9':
			for end < len(v) && isOfNumber(v[end]) {
				end++
			}
			n := readNumber(v[i:end])
			out = n.append(out)
		default:
			out = append(out, c)
		}
		i = end
	}
	return out
}

func isOfNumber(c byte) bool {
	return '0' <= c && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}
