package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/pflag"
)

// flagError words why a flag's value cannot be used as a person would, where the cause
// is one of the functions that read numbers and times: it names that function.
func flagError(err error) error {
	invalid := (*pflag.InvalidValueError)(nil)
	if !errors.As(err, &invalid) {
		return err
	}
	wanted := map[string]string{
		"int": "a number", "int64": "a number", "float64": "a number",
		"uint": "a number, 0 or more", "uint64": "a number, 0 or more",
		"bool": "true or false", "duration": "a time such as 10s, 500ms or 5m",
	}[invalid.GetFlag().Value.Type()]
	if wanted == "" {
		return err
	}
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("invalid argument %q for \"--%s\" flag: the number is out of range", invalid.GetValue(), invalid.GetFlag().Name)
	}
	return fmt.Errorf("invalid argument %q for \"--%s\" flag: want %s", invalid.GetValue(), invalid.GetFlag().Name, wanted)
}
