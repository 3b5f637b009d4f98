package wire

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/bellhop/bellhop/internal/strict"
)

// number is a JSON number of any precision and exponent: 0.digits × 10^point. Digits
// neither begin nor end with 0, so that equal numbers have equal fields; zero has no
// digits. Reading a number takes time and memory linear in its length, whatever its
// value.
type number struct {
	negative bool
	digits   []byte
	point    string // an integer in decimal
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
	safeDigits    = 17 // a number of so many digits plus a length fits into an int64
	tooManyDigits = 20 // a number of so many digits never does
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

// plus returns digits + n, where digits are so many that n cannot change the sign.
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

// isWhole reports whether n is an integer, as 60.0 and 6e1 are.
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

// int64 returns n, which must be an integer, or the nearest int64.
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
	value, _ := strconv.ParseInt(text, 10, 64) // if it is out of range, the result is the nearest int64
	return value
}

// append writes a number with an exponent if that saves more zeros than these.
const (
	zerosBehind = 21
	zerosBefore = 6
)

// append appends n in the form of RFC 8785, but with all its digits.
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

// numbersOf returns the compact JSON v with each number in the form of append.
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
