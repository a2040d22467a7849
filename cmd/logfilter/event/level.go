package event

import "strings"

// Level is how severe a line is. Levels compare as numbers.
type Level int8

// The levels, from those that many loggers have. NoLevel is that of a line that
// names none: less than all.
const (
	NoLevel Level = iota
	Trace
	Debug
	Info
	Warn
	Error
	Fatal
)

var levelNames = [...]string{"", "trace", "debug", "info", "warn", "error", "fatal"}

// LevelNames are the names that --level takes, from the least severe.
func LevelNames() []string { return levelNames[1:] }

func (l Level) String() string { return levelNames[l] }

// ParseLevel understands the names of levels that loggers write, in any case.
func ParseLevel(text string) (Level, bool) {
	if len(text) > 9 {
		return NoLevel, false
	}
	switch text { // without the cost of folding
	case "debug":
		return Debug, true
	case "info":
		return Info, true
	case "warn":
		return Warn, true
	case "error":
		return Error, true
	}
	switch strings.ToLower(text) {
	case "trace", "trce", "finest", "verbose":
		return Trace, true
	case "debug", "debg", "dbg", "fine":
		return Debug, true
	case "info", "information", "notice", "inf", "i":
		return Info, true
	case "warn", "warning", "wrn", "w":
		return Warn, true
	case "error", "err", "erro", "eror", "e":
		return Error, true
	case "fatal", "critical", "crit", "panic", "dpanic", "emerg", "alert", "f":
		return Fatal, true
	}
	return NoLevel, false
}

// NumberedLevel understands the numbers that bunyan and pino write.
func NumberedLevel(n uint64) (Level, bool) {
	if n < 10 || n > 60 || n%10 != 0 {
		return NoLevel, false
	}
	return Level(n / 10), true
}
