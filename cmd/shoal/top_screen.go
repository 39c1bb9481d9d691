package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A topScreen shows readings.
type topScreen interface {
	width() int
	show(lines []string, at int64)
	note(text string)
	keys(quit func()) // reads q and Ctrl+C
	close()
}

func newScreen(stdout io.Writer) topScreen {
	if f, ok := stdout.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newTerminal(f)
	}
	return &plainScreen{out: stdout}
}

// plainScreen prints each reading once, with an empty line between two.
type plainScreen struct {
	out io.Writer
	at  int64
}

func (p *plainScreen) width() int  { return 120 }
func (p *plainScreen) keys(func()) {}
func (p *plainScreen) close()      {}

func (p *plainScreen) show(lines []string, at int64) {
	if at == p.at {
		return
	}
	if p.at != 0 {
		fmt.Fprintln(p.out)
	}
	p.at = at
	for _, line := range lines {
		fmt.Fprintln(p.out, strings.TrimRight(line, " "))
	}
}

func (p *plainScreen) note(text string) { fmt.Fprintln(p.out, text) }

// terminal draws over what it drew, on a screen of its own, and leaves the one that was there as it was.
type terminal struct {
	out   *os.File
	state *term.State // of the keyboard; nil: there is none
}

const (
	enterScreen = "\x1b[?1049h\x1b[?25l" // the other screen, no cursor
	leaveScreen = "\x1b[?25h\x1b[?1049l"
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K\r\n"
	clearBelow  = "\x1b[J"
	bold        = "\x1b[1m"
	plainText   = "\x1b[0m"
)

func newTerminal(out *os.File) *terminal {
	t := &terminal{out: out}
	if state, err := term.MakeRaw(int(os.Stdin.Fd())); err == nil {
		t.state = state
	}
	fmt.Fprint(out, enterScreen)
	return t
}

func (t *terminal) size() (columns, rows int) {
	columns, rows, err := term.GetSize(int(t.out.Fd()))
	if err != nil || columns <= 0 || rows <= 0 {
		return topWidth, 24
	}
	return columns, rows
}

func (t *terminal) width() int {
	columns, _ := t.size()
	return columns
}

func (t *terminal) show(lines []string, _ int64) {
	columns, rows := t.size()
	if len(lines) > rows-1 {
		lines = append(lines[:rows-2:rows-2], fmt.Sprintf("… %d lines more: a taller terminal shows them", len(lines)-rows+2))
	}
	var b strings.Builder
	b.WriteString(goHome)
	for i, line := range lines {
		line = fit(line, columns)
		if i == 0 || strings.HasPrefix(line, "MODEL ") {
			line = bold + line + plainText
		}
		b.WriteString(line + clearLine)
	}
	b.WriteString(clearBelow)
	fmt.Fprint(t.out, b.String())
}

func (t *terminal) note(text string) {
	columns, rows := t.size()
	fmt.Fprintf(t.out, "\x1b[%d;1H%s%s", rows, fit(text, columns-1), "\x1b[K")
}

// keys reads the keyboard until the process ends: a read cannot be called off.
func (t *terminal) keys(quit func()) {
	if t.state == nil {
		return
	}
	go func() {
		for in := bufio.NewReader(os.Stdin); ; {
			key, err := in.ReadByte()
			if err != nil {
				return
			}
			if key == 'q' || key == 'Q' || key == 3 { // Ctrl+C is a key here
				quit()
				return
			}
		}
	}()
}

func (t *terminal) close() {
	fmt.Fprint(t.out, leaveScreen)
	if t.state != nil {
		_ = term.Restore(int(os.Stdin.Fd()), t.state)
	}
}
