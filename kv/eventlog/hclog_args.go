package eventlog

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/hashicorp/go-hclog"
)

func slogLevel(level hclog.Level) slog.Level {
	switch level {
	case hclog.Trace:
		return levelTrace
	case hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// evenArgs names a value that was given without a key, as hclog does.
func evenArgs(args []any) []any {
	if len(args)%2 == 0 {
		return args
	}
	last := len(args) - 1
	key := hclog.MissingKey
	if _, ok := args[last].(hclog.CapturedStacktrace); ok {
		key = "stacktrace"
	}
	return append(slices.Clone(args[:last]), key, args[last])
}

// hclogAttrs turns keys and values by turns into attributes. peer is the text of
// the last one that names a peer, if any. Values are formatted now, because a
// line that is held back may be written after they have changed.
func hclogAttrs(args []any) (attrs []slog.Attr, peer string) {
	attrs = make([]slog.Attr, 0, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		key, ok := args[i].(string)
		if !ok {
			key = scalar(slog.AnyValue(args[i]).Resolve()).String()
		}
		a := slog.Attr{Key: key, Value: hclogValue(args[i+1])}
		attrs = append(attrs, a)
		if isPeerKey(key) {
			peer = a.Value.String()
		}
	}
	return attrs, peer
}

// hclogValue resolves hclog's ways to ask for a format, then makes x a scalar.
func hclogValue(x any) slog.Value {
	switch x := x.(type) {
	case hclog.Format:
		if len(x) == 0 {
			return slog.StringValue("")
		}
		return slog.StringValue(fmt.Sprintf(fmt.Sprint(x[0]), x[1:]...))
	case hclog.Hex:
		return slog.StringValue(fmt.Sprintf("0x%x", int(x)))
	case hclog.Octal:
		return slog.StringValue(fmt.Sprintf("0%o", int(x)))
	case hclog.Binary:
		return slog.StringValue(fmt.Sprintf("0b%b", int(x)))
	}
	v := slog.AnyValue(x).Resolve()
	if v.Kind() == slog.KindGroup {
		return slog.StringValue(v.String()) // hclog has no groups
	}
	return scalar(v)
}
