package fault

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A line is the kind, then nodes, then the kind's value; behind them, in any order,
// the words one-way and reset, and "every 1s", "for 10s" and "seed 7".

// longest is the longest time that a line may name.
const longest = 10 * 365 * 24 * time.Hour

var validNode = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Parse reads a fault's line. The error says what is expected instead.
func Parse(line string) (Fault, error) { return ParseWords(strings.Fields(line)) }

// ParseWords is Parse for a line in words.
func ParseWords(words []string) (Fault, error) {
	if len(words) == 0 {
		return Fault{}, errors.New("no fault is named: such as cut n1 n2")
	}
	form := formOf(Kind(strings.ToLower(words[0])))
	if form == nil {
		return Fault{}, fmt.Errorf("there is no fault %q: there are %s", words[0], strings.Join(kindNames(), ", "))
	}
	f := Fault{Kind: form.kind}
	rest, err := f.parseOptions(form, words[1:])
	if err == nil {
		err = f.parseRest(form, rest)
	}
	if err != nil {
		return Fault{}, fmt.Errorf("%s: %w; such as %q", form.kind, err, form.example)
	}
	return f, nil
}

func kindNames() []string {
	var out []string
	for _, f := range forms {
		out = append(out, string(f.kind))
	}
	return out
}

// parseOptions takes the options out of words.
func (f *Fault) parseOptions(form *form, words []string) (rest []string, err error) {
	for i := 0; i < len(words); i++ {
		word := strings.ToLower(words[i])
		switch {
		case word == "one-way" && form.oneWay:
			f.OneWay = true
			continue
		case word == "reset" && form.reset:
			f.Reset = true
			continue
		case word == "every" && form.every, word == "for", word == "seed":
		default:
			rest = append(rest, words[i])
			continue
		}
		if i++; i == len(words) {
			return nil, fmt.Errorf("%s needs a value", word)
		}
		switch word {
		case "seed":
			f.Seed, err = strconv.ParseUint(words[i], 10, 64)
		case "every":
			f.Every, err = parseTime(words[i])
		case "for":
			f.For, err = parseTime(words[i])
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", word, words[i], err)
		}
	}
	return rest, nil
}

// parseRest reads nodes and value.
func (f *Fault) parseRest(form *form, words []string) (err error) {
	hasValue := form.value != noValue && (!form.optional || len(words) > form.least)
	if form.value == twoSides {
		return f.parseSides(words)
	}
	if hasValue {
		if len(words) == 0 {
			return errors.New("its value is missing")
		}
		if err := f.parseValue(form, words[len(words)-1]); err != nil {
			return err
		}
		words = words[:len(words)-1]
	}
	if len(words) < form.least || len(words) > form.most {
		return fmt.Errorf("it takes %s", countText(form))
	}
	f.Nodes, err = parseNodes(words)
	return err
}

func countText(form *form) string {
	switch {
	case form.most == 0:
		return "no node"
	case form.most == many:
		return "nodes"
	case form.least == form.most:
		return "one node"
	}
	return fmt.Sprintf("%d to %d nodes", form.least, form.most)
}

func parseNodes(words []string) ([]string, error) {
	for i, word := range words {
		if !validNode.MatchString(word) {
			return nil, fmt.Errorf("%q is no name of a node", word)
		}
		if slices.Contains(words[:i], word) {
			return nil, fmt.Errorf("%s is named twice", word)
		}
	}
	return words, nil
}

func (f *Fault) parseSides(words []string) error {
	if len(words) != 2 {
		return errors.New("it takes two lists of nodes")
	}
	a, b := strings.Split(words[0], ","), strings.Split(words[1], ",")
	if _, err := parseNodes(append(slices.Clone(a), b...)); err != nil {
		return err
	}
	f.Sides = [2][]string{a, b}
	return nil
}

func (f *Fault) parseValue(form *form, word string) (err error) {
	switch form.value {
	case aSpan:
		middle, jitter, spread := strings.Cut(strings.Replace(word, "+-", "±", 1), "±")
		if f.Time, err = parseTime(middle); err == nil && spread {
			f.Jitter, err = parseTime(jitter)
		}
		if err == nil && f.Jitter > f.Time {
			err = errors.New("it may not vary by more than itself")
		}
	case aDuration:
		f.Time, err = parseTime(word)
	case anOffset:
		if f.Time, err = time.ParseDuration(word); err == nil && (f.Time == 0 || f.Time.Abs() > longest) {
			err = errors.New("want a time other than 0 and below ten years")
		}
	case aRate:
		f.Bytes, err = parseSize(strings.TrimSuffix(strings.ToLower(word), "/s"))
	case aSize:
		f.Bytes, err = parseSize(word)
	case aPercent:
		var percent float64
		number, ok := strings.CutSuffix(word, "%")
		percent, err = strconv.ParseFloat(number, 64)
		if !ok || err != nil || math.IsNaN(percent) || percent < 1e-6 || percent > 100 {
			return fmt.Errorf("%q is no share such as 1%%", word)
		}
		f.Chance = percent / 100
	case aGroup:
		var n uint64
		if n, err = strconv.ParseUint(word, 10, 32); err != nil {
			return fmt.Errorf("%q is no number of a group", word)
		}
		group := uint32(n)
		f.Group = &group
	}
	return err
}

func parseTime(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 || d > longest {
		return 0, fmt.Errorf("%q is no time such as 200ms", text)
	}
	return d, nil
}

var sizes = []struct {
	suffix string
	factor int64
}{{"gb", 1 << 30}, {"mb", 1 << 20}, {"kb", 1 << 10}, {"b", 1}, {"", 1}}

func parseSize(text string) (int64, error) {
	for _, s := range sizes {
		if number, ok := strings.CutSuffix(strings.ToLower(text), s.suffix); ok {
			n, err := strconv.ParseInt(number, 10, 64)
			if err != nil || n < 1 || n > 1<<50/s.factor {
				break
			}
			return n * s.factor, nil
		}
	}
	return 0, fmt.Errorf("%q is no size such as 100kb", text)
}
