package devices

import (
	"fmt"
	"strconv"
	"strings"
)

// CPUSet is a list of processors in ascending order. Its text has the kernel's form, "0-3,8".
type CPUSet []int

// String returns the kernel's form.
func (s CPUSet) String() string {
	var parts []string
	for i := 0; i < len(s); {
		last := i
		for last+1 < len(s) && s[last+1] == s[last]+1 {
			last++
		}
		part := strconv.Itoa(s[i])
		if last > i {
			part = fmt.Sprintf("%d-%d", s[i], s[last])
		}
		parts = append(parts, part)
		i = last + 1
	}
	return strings.Join(parts, ",")
}

// MarshalText returns the kernel's form, "0-3,8".
func (s CPUSet) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// parseCPUList reads the kernel's list of processors, "0-3,8". It returns an empty list for any other text.
func parseCPUList(text string) (list CPUSet) {
	for part := range strings.SplitSeq(strings.TrimSpace(text), ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if isRange && err == nil {
			last, err = strconv.Atoi(to)
		}
		if err != nil || last-first > 1<<16 {
			return nil
		}
		for cpu := first; cpu <= last; cpu++ {
			list = append(list, cpu)
		}
	}
	return list
}
