package format

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"raftkv/cmd/logfilter/event"
)

var _ Parser = (*Pattern)(nil)

// Pattern reads lines by a regular expression of the user's, with a named group
// for each field.
type Pattern struct {
	re     *regexp.Regexp
	layout string
	fields []field // of each group; noField for an attribute or none
}

// NewPattern compiles an expression such as
//
//	^(?P<time>\S+) (?P<node>\w+)/(?P<group>\d+) (?P<msg>.*)$
//
// Groups with other names than those of FieldNames become attributes.
func NewPattern(expr, layout string) (*Pattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("--pattern: %w", err)
	}
	p := &Pattern{re: re, layout: layout, fields: make([]field, re.NumSubexp()+1)}
	named := false
	for i, name := range re.SubexpNames() {
		named = named || name != ""
		if at := slices.Index(fieldNames[1:], name); at >= 0 && name != "" {
			p.fields[i] = field(at + 1)
		}
	}
	if !named {
		return nil, fmt.Errorf("--pattern has no named group: name what it finds, as in (?P<node>\\w+); fields are %s", strings.Join(FieldNames(), ", "))
	}
	return p, nil
}

// Name implements Parser.
func (*Pattern) Name() string { return "pattern" }

// Parse implements Parser.
func (p *Pattern) Parse(line []byte, e *event.Event) bool {
	found := p.re.FindSubmatchIndex(line)
	if found == nil {
		return false
	}
	e.Rest = p
	for i, f := range p.fields {
		if f == noField || found[2*i] < 0 {
			continue
		}
		text := line[found[2*i]:found[2*i+1]]
		if f == timeField {
			if ns, ok := p.parseTime(text); ok {
				e.Time, e.HasTime = ns, true
			}
			continue
		}
		takePair(f, text, false, e)
	}
	return true
}

func (p *Pattern) parseTime(text []byte) (int64, bool) {
	if p.layout == "" {
		return parseTime(text)
	}
	at, err := time.ParseInLocation(p.layout, string(text), time.Local)
	if err != nil {
		return 0, false
	}
	if at.Year() == 0 { // a clock without a date counts from midnight
		at = at.AddDate(1970, 0, 0)
		_, offset := at.Zone()
		return at.UnixNano() + int64(offset)*1e9, true
	}
	return at.UnixNano(), true
}

// Time implements Parser.
func (p *Pattern) Time(line []byte) (int64, bool) {
	var e event.Event
	p.Parse(line, &e)
	return e.Time, e.HasTime
}

// Attrs implements event.Fields.
func (p *Pattern) Attrs(line []byte, yield func(string, event.Value) bool) {
	found := p.re.FindSubmatchIndex(line)
	for i, name := range p.re.SubexpNames() {
		if name == "" || p.fields[i] != noField || 2*i >= len(found) || found[2*i] < 0 {
			continue
		}
		if !yield(name, pairValue(line[found[2*i]:found[2*i+1]], false)) {
			return
		}
	}
}
