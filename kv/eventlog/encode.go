package eventlog

import (
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// timeLayout has a fixed width, so that lines of several nodes can be merged by
// comparing text.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// number is a field that may be absent. Group 0 is the controller's, so zero
// cannot stand for absent.
type number struct {
	value uint64
	set   bool
}

// fields are the parts of a line that come from attributes.
type fields struct {
	topic              string
	group, term, index number
	json               []byte // the other attributes: ,"key":value for each
	text               []byte // the same for people: key=value after a space
}

func (f fields) clone() fields {
	f.json = slices.Clone(f.json)
	f.text = slices.Clone(f.text)
	return f
}

// encoder collects the attributes of one line and then writes it out, because
// topic and its kin come before attributes that may have been given earlier.
type encoder struct {
	fields
	withText bool
}

var encoders = sync.Pool{New: func() any { return new(encoder) }}

// newEncoder returns an encoder that starts from base, which it copies.
func newEncoder(base fields, withText bool) *encoder {
	e := encoders.Get().(*encoder)
	json, text := append(e.json[:0], base.json...), append(e.text[:0], base.text...)
	e.fields, e.withText = base, withText
	e.json, e.text = json, text
	return e
}

func (e *encoder) free() {
	if cap(e.json)+cap(e.text) <= maxPooled {
		encoders.Put(e)
	}
}

// add takes an attribute, flattening groups into dotted names.
func (e *encoder) add(prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, member := range v.Group() {
			e.add(prefix, member)
		}
		return
	}
	if a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil {
		return // slog's contract: the empty attribute is ignored
	}
	v = scalar(v)
	if prefix == "" {
		if e.takeField(a.Key, v) {
			return
		}
		if isFieldName(a.Key) {
			prefix = "attr."
		}
	}
	e.json = append(e.json, ',')
	if prefix == "" {
		e.json = appendJSONString(e.json, a.Key)
	} else {
		e.json = appendJSONString(e.json, prefix+a.Key)
	}
	e.json = append(e.json, ':')
	e.json = appendJSONScalar(e.json, v)
	if e.withText {
		e.text = append(e.text, ' ')
		e.text = appendTextString(e.text, prefix+a.Key)
		e.text = append(e.text, '=')
		e.text = appendTextScalar(e.text, v)
	}
}

// takeField stores v if it is a field of the line. It reports whether it did.
func (e *encoder) takeField(key string, v slog.Value) bool {
	var field *number
	switch key {
	case KeyTopic:
		if v.Kind() != slog.KindString {
			return false
		}
		e.topic = v.String()
		return true
	case KeyGroup:
		field = &e.group
	case KeyTerm:
		field = &e.term
	case KeyIndex:
		field = &e.index
	default:
		return false
	}
	switch {
	case v.Kind() == slog.KindUint64:
		*field = number{v.Uint64(), true}
	case v.Kind() == slog.KindInt64 && v.Int64() >= 0:
		*field = number{uint64(v.Int64()), true}
	default:
		return false
	}
	return true
}

func isFieldName(key string) bool {
	switch key {
	case "t", "level", "node", "msg", KeyTopic, KeyGroup, KeyTerm, KeyIndex:
		return true
	}
	return false
}

// levelName maps slog's open scale to the four levels of the log.
func levelName(level slog.Level) string {
	switch {
	case level < slog.LevelInfo:
		return "debug"
	case level < slog.LevelWarn:
		return "info"
	case level < slog.LevelError:
		return "warn"
	}
	return "error"
}

// appendJSON appends the whole line, with its newline.
func (e *encoder) appendJSON(b []byte, at time.Time, level slog.Level, node, msg string) []byte {
	b = append(b, `{"t":"`...)
	b = at.UTC().AppendFormat(b, timeLayout)
	b = append(b, `","level":"`...)
	b = append(b, levelName(level)...)
	b = append(b, `","node":`...)
	b = appendJSONString(b, node)
	b = append(b, `,"topic":`...)
	b = appendJSONString(b, e.topicName())
	for _, f := range e.numbers() {
		if f.set {
			b = append(b, ',', '"')
			b = append(b, f.name...)
			b = append(b, '"', ':')
			b = strconv.AppendUint(b, f.value, 10)
		}
	}
	b = append(b, `,"msg":`...)
	b = appendJSONString(b, msg)
	b = append(b, e.json...)
	return append(b, '}', '\n')
}

// appendText appends the short form for people, in local time:
//
//	15:04:05.000 WARN  n1 election: heartbeat timeout reached group=1 term=7 leader=n2
func (e *encoder) appendText(b []byte, at time.Time, level slog.Level, node, msg string) []byte {
	b = at.Local().AppendFormat(b, "15:04:05.000 ")
	name := levelName(level)
	b = append(b, strings.ToUpper(name)...)
	b = append(b, "     "[:6-len(name)]...)
	b = append(b, node...)
	b = append(b, ' ')
	b = appendTextString(b, e.topicName())
	b = append(b, ':', ' ')
	b = appendTextMessage(b, msg)
	for _, f := range e.numbers() {
		if f.set {
			b = append(b, ' ')
			b = append(b, f.name...)
			b = append(b, '=')
			b = strconv.AppendUint(b, f.value, 10)
		}
	}
	b = append(b, e.text...)
	return append(b, '\n')
}

func (e *encoder) topicName() string {
	if e.topic == "" {
		return TopicNode
	}
	return e.topic
}

// namedNumber is a number with its place in the line.
type namedNumber struct {
	name string
	number
}

func (e *encoder) numbers() [3]namedNumber {
	return [3]namedNumber{{KeyGroup, e.group}, {KeyTerm, e.term}, {KeyIndex, e.index}}
}
