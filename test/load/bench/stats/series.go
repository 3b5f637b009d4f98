package stats

import "slices"

// Series is one figure, measured several times.
type Series []float64

// Median returns the middle value of s, or the mean of the two middle values, or 0 if s is
// empty.
func (s Series) Median() float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// Range returns the lowest and the highest value of s, or 0 if s is empty.
func (s Series) Range() (lowest, highest float64) {
	if len(s) == 0 {
		return 0, 0
	}
	return slices.Min(s), slices.Max(s)
}

// Over returns s divided by base, pair by pair. Each run is divided by the run next to it,
// because other load on the machine affects both.
func (s Series) Over(base Series) Series {
	var ratios Series
	for i := range min(len(s), len(base)) {
		if base[i] != 0 {
			ratios = append(ratios, s[i]/base[i])
		}
	}
	return ratios
}
