package telemetry

import (
	"sync"
	"time"

	"shoal/serving"
)

// lives knows which models and versions may be labels. A client can name any model, so only models of the manager become series.
// Versions come and go, so the series of a version end with it, and those of a model with the model (gone.go).
type lives struct {
	mu     sync.RWMutex
	models map[string]*modelLife
}

type modelLife struct {
	copies  map[int64]int // loaded copies of a version; there are two of one number while its directory moves
	gone    time.Time     // when it was first seen to be no longer configured; zero: it is configured
	retired int64         // the version that ended last; its series stay until the next one ends, so that they are read once more
}

// begin notes that a version begins.
func (l *lives) begin(model string, version int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.models == nil {
		l.models = make(map[string]*modelLife)
	}
	m := l.models[model]
	if m == nil {
		m = &modelLife{copies: make(map[int64]int), retired: serving.NoVersion}
		l.models[model] = m
	}
	m.copies[version]++
	m.gone = time.Time{}
}

// end notes that a version ends. It returns the version whose series the caller must drop, or serving.NoVersion.
func (l *lives) end(model string, version int64) (gone int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.models[model]
	if m == nil || m.copies[version] == 0 {
		return serving.NoVersion
	}
	if m.copies[version]--; m.copies[version] > 0 {
		return serving.NoVersion
	}
	delete(m.copies, version)
	gone, m.retired = m.retired, version
	if gone == version || m.copies[gone] > 0 {
		return serving.NoVersion
	}
	return gone
}

// admit returns the labels under which something is counted: the model and the version if they are known, otherwise "" and
// serving.NoVersion.
func (l *lives) admit(model string, version int64) (string, int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	m := l.models[model]
	switch {
	case m == nil:
		return "", serving.NoVersion
	case m.copies[version] == 0 && m.retired != version:
		return model, serving.NoVersion
	}
	return model, version
}
