package show

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	"golang.org/x/term"
)

// plainWidth is the width of what is no terminal.
const plainWidth = 120

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	return term.IsTerminal(int(f.Fd()))
}

// TerminalWidth returns the width of the terminal in characters, or what COLUMNS
// says if w is none, as watch and tests want it.
func TerminalWidth(w io.Writer) int {
	if f, ok := w.(*os.File); ok {
		if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
			return width
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return plainWidth
}

// Pager is a program that shows text page by page.
type Pager struct {
	io.WriteCloser
	cmd *exec.Cmd
}

// StartPager runs the user's pager, less if there is no word of one. It returns
// nil if there is none to run. less gets flags with which it ends at once if the
// text fits on the screen, and shows colours.
func StartPager(stdout, stderr io.Writer) *Pager {
	command := os.Getenv("PAGER")
	if command == "" {
		command = "less"
	}
	if command == "cat" {
		return nil
	}
	if _, err := exec.LookPath(command); err != nil && os.Getenv("PAGER") == "" {
		return nil
	}
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Env = os.Environ()
	if _, given := os.LookupEnv("LESS"); !given {
		cmd.Env = append(cmd.Env, "LESS=FRX")
	}
	in, err := cmd.StdinPipe()
	if err != nil || cmd.Start() != nil {
		return nil
	}
	return &Pager{in, cmd}
}

// Close tells the pager that this was all and waits until the user leaves it.
func (p *Pager) Close() error {
	closeErr := p.WriteCloser.Close()
	// A pager that the user interrupts has done its work.
	if err := p.cmd.Wait(); err != nil && p.cmd.ProcessState == nil {
		return err
	}
	return closeErr
}

// IsBrokenPipe reports whether err says that nobody reads what is written: head
// has seen enough, or the pager was left.
func IsBrokenPipe(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, os.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
