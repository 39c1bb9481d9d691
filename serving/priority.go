package serving

import (
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// priorityHeader is the header, or metadata key, by which a request of any protocol names its level: 1 is the highest.
const priorityHeader = "shoal-priority"

// Priority is the level that the request names, 1 being the highest; 0: it names none. The error is INVALID_ARGUMENT.
func (c *Call) Priority() (uint64, error) {
	if c.Exchange == nil {
		return 0, nil
	}
	text := c.Exchange.Header(priorityHeader)
	if text == "" {
		return 0, nil
	}
	level, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, status.Errorf(codes.InvalidArgument, "Shoal-Priority: %q is no level of priority: use a whole number, 1 being the highest", text)
	}
	return level, nil
}
