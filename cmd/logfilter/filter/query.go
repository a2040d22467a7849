package filter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"

	"raftkv/cmd/logfilter/event"
	"raftkv/cmd/logfilter/format"
)

// Query is an expression of the user's, compiled. It is safe for concurrent use;
// each goroutine needs a Machine of its own.
//
// The language is expr's. Names are fields: those of Event, and any attribute.
// A comparison with a field that a line lacks is false, so that
// `term > 4 or msg contains "timeout"` finds messages of lines without a term.
type Query struct {
	program *vm.Program
	hints   []Cond
	// Names are the fields that it asks for, each once.
	Names []string
}

// fieldFunc and compareFunc are what names and comparisons become.
const (
	fieldFunc   = "__field"
	compareFunc = "__compare"
)

// NewQuery compiles an expression.
func NewQuery(text string) (*Query, error) {
	tree, err := parser.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("-q: %w", err)
	}
	q := &Query{}
	q.hint(tree.Node)
	env := map[string]any{
		fieldFunc:   func(...any) any { return nil },
		compareFunc: func(...any) any { return nil },
	}
	r := &rewrite{query: q}
	q.program, err = expr.Compile(text, expr.Env(env), expr.Patch(r), expr.AllowUndefinedVariables())
	if err != nil {
		return nil, fmt.Errorf("-q: %w", err)
	}
	return q, nil
}

// rewrite turns names into calls that look them up in the event at hand, and
// comparisons into ones that know of levels, durations and fields that are not
// there.
type rewrite struct{ query *Query }

var operators = []string{"==", "!=", "<", "<=", ">", ">=", "contains", "startsWith", "endsWith", "matches", "in"}

// Visit implements ast.Visitor.
func (r *rewrite) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if n.Value == fieldFunc || n.Value == compareFunc {
			return
		}
		if !slices.Contains(r.query.Names, n.Value) {
			r.query.Names = append(r.query.Names, n.Value)
		}
		ast.Patch(node, call(fieldFunc, &ast.StringNode{Value: n.Value}))
	case *ast.BinaryNode:
		if slices.Contains(operators, n.Operator) {
			ast.Patch(node, call(compareFunc, &ast.StringNode{Value: n.Operator}, n.Left, n.Right))
		}
	}
}

func call(name string, args ...ast.Node) ast.Node {
	return &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
}

// hint finds what the expression demands of each line: the parts that "and" joins.
func (q *Query) hint(node ast.Node) {
	b, ok := node.(*ast.BinaryNode)
	if !ok {
		return
	}
	if b.Operator == "and" || b.Operator == "&&" {
		q.hint(b.Left)
		q.hint(b.Right)
		return
	}
	name, ok := b.Left.(*ast.IdentifierNode)
	if !ok || name.Value == "time" {
		return
	}
	switch value := b.Right.(type) {
	case *ast.StringNode:
		if name.Value == "level" {
			q.hintLevel(b.Operator, value.Value)
		} else if slices.Contains([]string{"==", "contains", "startsWith", "endsWith"}, b.Operator) && name.Value != "node" {
			q.hints = append(q.hints, Cond{Literal: safeRun(value.Value), Decoded: true})
		}
	case *ast.IntegerNode:
		q.hintNumber(name.Value, b.Operator, value.Value)
	}
}

func (q *Query) hintLevel(operator, name string) {
	level, ok := event.ParseLevel(name)
	if ok && level > event.Trace && slices.Contains([]string{"==", ">", ">="}, operator) {
		q.hints = append(q.hints, AtLeast(level))
	}
}

func (q *Query) hintNumber(name, operator string, value int) {
	if value < 0 || slices.Contains([]string{"node", "topic", "msg", "level"}, name) {
		return
	}
	r := Range{0, 1<<64 - 1}
	switch v := uint64(value); operator {
	case "==":
		r = Range{v, v}
	case ">", ">=":
		r.Lo = v
	case "<", "<=":
		r.Hi = v
	default:
		return
	}
	q.hints = append(q.hints, Cond{Field: name, Accept: func(v []byte) bool { return acceptsNumber(v, r.Has) }})
}

// Unknown returns an error that names what was probably meant if the query asks
// for a field that is in none of the logs' first lines; seen are the attributes there.
// A name that looks like none of them may come later in the logs.
func (q *Query) Unknown(seen []string) error {
	known := append(format.FieldNames(), seen...)
	for _, name := range q.Names {
		if slices.Contains(known, name) || name == "raw" {
			continue
		}
		if near := Nearest(name, known); len(near) > 0 {
			return fmt.Errorf("-q: there is no field %q here; did you mean %s?", name, strings.Join(near, " or "))
		}
	}
	return nil
}
