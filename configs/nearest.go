package configs

import "iter"

// Nearest returns the known name that is closest to a mistaken one, or "" if none is close. The distance counts inserted and
// deleted letters only (a replaced letter is both), because a missing word (model_path for model_base_path) is more likely than a
// wrong one.
func Nearest(name string, known iter.Seq[string]) string {
	best, least := "", len(name)+1
	for k := range known {
		d := distance(name, k)
		if d < least && d <= (len(name)+len(k))/3 {
			best, least = k, d
		}
	}
	return best
}

// distance is the length of a and b less twice their longest common subsequence, by dynamic programming in one row
// (Wagner and Fischer 1974).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			if a[i] == b[j] {
				row[j+1] = diagonal
			} else {
				row[j+1] = min(above, row[j]) + 1
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
