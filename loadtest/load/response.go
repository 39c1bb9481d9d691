package load

import (
	"bytes"
	"errors"
	"strconv"
)

// response is an HTTP/1.1 answer in a buffer.
type response struct {
	code   int
	body   []byte
	close  bool // the server will end the connection
	server ServerTimes
}

var errResponse = errors.New("the answer is not HTTP/1.1")

// maxHead bounds the status line and headers of an answer.
const maxHead = 64 << 10

// parseResponse reads the answer at the beginning of b. length is 0 while there is not enough; need, where it is known,
// is how many bytes the whole answer has. An answer without a length ends with its connection, which eof says.
func parseResponse(b []byte, eof bool) (r response, length, need int, err error) {
	head := bytes.Index(b, []byte("\r\n\r\n"))
	if head < 0 {
		if len(b) > maxHead || eof && len(b) > 0 {
			return r, 0, 0, errResponse
		}
		return r, 0, 0, nil
	}
	line, headers, _ := bytes.Cut(b[:head], []byte("\r\n"))
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[8] != ' ' {
		return r, 0, 0, errResponse
	}
	if r.code, err = strconv.Atoi(string(line[9:12])); err != nil {
		return r, 0, 0, errResponse
	}
	r.close = line[7] == '0'
	size, chunked := -1, false
	for len(headers) > 0 {
		line, headers, _ = bytes.Cut(headers, []byte("\r\n"))
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			if size, err = strconv.Atoi(string(value)); err != nil || size < 0 {
				return r, 0, 0, errResponse
			}
		case is(name, "transfer-encoding"):
			chunked = is(value, "chunked")
		case is(name, "connection"):
			r.close = is(value, "close")
		case is(name, "shoal-batch-size"):
			n, _ := strconv.Atoi(string(value))
			r.server.Batch = int32(n)
		case is(name, "server-timing"):
			r.server.parse(value)
		}
	}
	start := head + 4
	switch {
	case chunked:
		r.body, length, err = dechunk(b[start:])
		if length > 0 {
			length += start
		}
		return r, length, 0, err
	case r.code == 204 || r.code == 304:
		size = 0
	case size < 0:
		r.close = true
		if !eof {
			return r, 0, 0, nil
		}
		size = len(b) - start
	}
	if len(b)-start < size {
		return r, 0, start + size, nil
	}
	r.body = b[start : start+size]
	return r, start + size, start + size, nil
}

// is compares a header's name or value with a lower-case word.
func is(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// dechunk joins the chunks of a whole body; length is 0 while the last has not come.
func dechunk(b []byte) (body []byte, length int, err error) {
	rest := b
	for {
		line, after, found := bytes.Cut(rest, []byte("\r\n"))
		if !found {
			return nil, 0, nil
		}
		digits, _, _ := bytes.Cut(line, []byte(";"))
		n, err := strconv.ParseUint(string(bytes.TrimSpace(digits)), 16, 31)
		if err != nil {
			return nil, 0, errResponse
		}
		if n == 0 { // trailers, if any, end with an empty line
			if bytes.HasPrefix(after, []byte("\r\n")) {
				return body, len(b) - len(after) + 2, nil
			}
			end := bytes.Index(after, []byte("\r\n\r\n"))
			if end < 0 {
				return nil, 0, nil
			}
			return body, len(b) - len(after) + end + 4, nil
		}
		if uint64(len(after)) < n+2 {
			return nil, 0, nil
		}
		body = append(body, after[:n]...)
		rest = after[n+2:]
	}
}

// parse reads a Server-Timing header: "decode;dur=0.012, queue;dur=1.5", milliseconds. What it does not know it skips.
func (t *ServerTimes) parse(v []byte) {
	for len(v) > 0 {
		var metric []byte
		metric, v, _ = bytes.Cut(v, []byte(","))
		name, params, _ := bytes.Cut(bytes.TrimSpace(metric), []byte(";"))
		dur, ok := bytes.CutPrefix(bytes.TrimSpace(params), []byte("dur="))
		if !ok {
			continue
		}
		us := micros(dur)
		switch string(name) {
		case "decode":
			t.Decode = us
		case "queue":
			t.Queue = us
		case "run":
			t.Run = us
		case "encode":
			t.Encode = us
		}
	}
}

// micros reads decimal milliseconds; digits beyond microseconds are dropped.
func micros(b []byte) Micros {
	n, decimals := int64(0), -1
	for _, c := range b {
		switch {
		case c == '.' && decimals < 0:
			decimals = 0
		case c < '0' || c > '9':
			return 0
		case decimals < 3 && n < 1<<40:
			n = n*10 + int64(c-'0')
			if decimals >= 0 {
				decimals++
			}
		}
	}
	for decimals = max(decimals, 0); decimals < 3; decimals++ {
		n *= 10
	}
	return Micros(min(n, 1<<31-1))
}
