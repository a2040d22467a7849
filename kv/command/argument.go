package command

import (
	"fmt"
	"strings"
	"unicode"
)

// Argument is one of a command's, or a word of its options, as COMMAND DOCS has it.
type Argument struct {
	Name               string
	Type               string // as in Redis: key, string, integer, ..., pure-token, oneof or block
	Token              string // the word before it, or it itself
	Optional, Multiple bool
	Arguments          []Argument // of a block, or of which there is one
}

// parseSyntax reads a line such as "key value [NX | XX] [EX seconds]". Upper case is a word
// of the command, and belongs to the argument behind it, if there is one; brackets make
// what is in them optional, parentheses one of it, and dots say that it may be repeated.
// A name may tell its type, as in "increment:double".
func parseSyntax(line string) ([]Argument, error) {
	for _, mark := range []string{"[", "]", "(", ")", "|", "..."} {
		line = strings.ReplaceAll(line, mark, " "+mark+" ")
	}
	p := &syntax{words: strings.Fields(line)}
	out := p.sequence()
	switch {
	case len(p.words) > 0:
		return nil, fmt.Errorf("%q: %q is unexpected", line, p.words[0])
	case p.unclosed:
		return nil, fmt.Errorf("%q: a bracket is not closed", line)
	}
	return out, nil
}

func mustParseSyntax(line string) []Argument {
	out, err := parseSyntax(line)
	if err != nil {
		panic("command: " + err.Error())
	}
	return out
}

// syntax is what is left of a line.
type syntax struct {
	words    []string
	unclosed bool // a bracket was not
}

func (p *syntax) next(word string) bool {
	if len(p.words) == 0 || p.words[0] != word {
		return false
	}
	p.words = p.words[1:]
	return true
}

// sequence reads arguments that follow each other.
func (p *syntax) sequence() (out []Argument) {
	for len(p.words) > 0 && !strings.Contains("])|", p.words[0]) {
		a := p.argument()
		if p.next("...") {
			a.Multiple = true
		}
		out = append(out, a)
	}
	return out
}

// argument reads one.
func (p *syntax) argument() Argument {
	switch {
	case p.next("["):
		a := p.alternatives("]")
		a.Optional = true
		return a
	case p.next("("):
		return p.alternatives(")")
	}
	word := p.words[0]
	p.words = p.words[1:]
	if !unicode.IsUpper(rune(word[0])) {
		name, kind, typed := strings.Cut(word, ":")
		if !typed {
			kind = argumentType(name)
		}
		return Argument{Name: name, Type: kind}
	}
	token := Argument{Name: strings.ToLower(word), Type: "pure-token", Token: word}
	if len(p.words) == 0 || strings.Contains("[])|", p.words[0]) || unicode.IsUpper(rune(p.words[0][0])) {
		return token
	}
	a := p.argument()
	a.Token = word
	return a
}

// alternatives reads what is within brackets or parentheses, and the end of that.
func (p *syntax) alternatives(end string) Argument {
	var choices []Argument
	for {
		choices = append(choices, group("block", p.sequence()))
		if !p.next("|") {
			p.unclosed = p.unclosed || !p.next(end)
			return group("oneof", choices)
		}
	}
}

// group makes one argument of several.
func group(kind string, of []Argument) Argument {
	if len(of) == 1 {
		return of[0]
	}
	names := make([]string, len(of))
	for i, a := range of {
		names[i] = a.Name
	}
	return Argument{Name: strings.Join(names, "-"), Type: kind, Arguments: of}
}

// argumentType is the type of an argument by its name.
func argumentType(name string) string {
	switch name {
	case "key", "key1", "key2", "newkey", "source", "destination":
		return "key"
	case "unix-time-seconds", "unix-time-milliseconds":
		return "unix-time"
	case "client-id", "count", "cursor", "decrement", "destination-db", "end", "increment", "index", "len", "milliseconds",
		"numreplicas", "offset", "protover", "seconds", "slot", "start", "timeout", "version":
		return "integer"
	case "pattern":
		return "pattern"
	}
	return "string"
}

// plainSyntax shows arguments to people.
func plainSyntax(arguments []Argument) string {
	out := make([]string, len(arguments))
	for i, a := range arguments {
		text := a.Name
		switch a.Type {
		case "pure-token":
			text = a.Token
		case "block":
			text = plainSyntax(a.Arguments)
		case "oneof":
			var choices []string
			for _, c := range a.Arguments {
				choices = append(choices, plainSyntax([]Argument{c}))
			}
			text = strings.Join(choices, "|")
		}
		repeated := text
		if a.Token != "" && a.Type != "pure-token" {
			text = a.Token + " " + text
		}
		if a.Multiple {
			text += " [" + repeated + " ...]"
		}
		if a.Optional {
			text = "[" + text + "]"
		}
		out[i] = text
	}
	return strings.Join(out, " ")
}
