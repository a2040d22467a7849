package main

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// common are the flags of every mode.
type common struct {
	raftkv string
	dir    string
}

func (c *common) add(f *flag.FlagSet) {
	f.StringVar(&c.raftkv, "raftkv", "", "the raftkv program (default: built from this tree)")
	f.StringVar(&c.dir, "dir", "", "where servers keep data; it must be on a disk (default: the system's temporary folder)")
}

// parse reads the flags of a mode.
func parse(mode string, add func(*flag.FlagSet), args []string) error {
	f := flag.NewFlagSet(strings.TrimSpace("bench "+mode), flag.ContinueOnError)
	add(f)
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return nil
}

// list is a flag with words separated by commas.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }
func (l *list) Set(s string) error {
	*l = strings.Split(s, ",")
	return nil
}

// numbers is a flag with positive numbers separated by commas.
type numbers []int

func (n *numbers) String() string {
	var out []string
	for _, i := range *n {
		out = append(out, strconv.Itoa(i))
	}
	return strings.Join(out, ",")
}

func (n *numbers) Set(s string) error {
	*n = nil
	for word := range strings.SplitSeq(s, ",") {
		i, err := strconv.Atoi(word)
		if err != nil || i < 1 {
			return fmt.Errorf("%q is no positive number", word)
		}
		*n = append(*n, i)
	}
	return nil
}

// note tells on stderr how far the program is.
func note(format string, args ...any) {
	fmt.Fprintf(os.Stderr, time.Now().Format("15:04:05 ")+format+"\n", args...)
}
