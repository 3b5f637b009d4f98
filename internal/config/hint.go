package config

// hint asks whether the setting was meant that nearly has that name, in the
// form that its source knows it by. It is empty if there is none.
func (l *loader) hint(name string, form func(flag string) string) string {
	nearest, least := "", 4 // further off is another word, not a typo
	for _, f := range l.fields {
		if d := distance(name, f.name); d < least {
			nearest, least = f.name, d
		}
	}
	if nearest == "" {
		return ""
	}
	return "; did you mean " + form(nearest) + "?"
}

// distance returns how many bytes must be added, taken away or replaced to make
// b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
