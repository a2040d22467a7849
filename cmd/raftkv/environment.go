package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// environmentHelp ends the help of every command that has flags.
const environmentHelp = `{{if .HasAvailableLocalFlags}}
Every flag can be given as environment variable too: --log-level is RAFTKV_LOG_LEVEL.
The flag wins.
{{end}}`

// passwordVariable is how nodes get their password: on a command line it would
// be seen by every user of the machine.
const passwordVariable = "RAFTKV_PASSWORD"

// fromEnvironment fills in flags that were not given from RAFTKV_* variables. An
// empty variable counts as not set.
func fromEnvironment(flags *pflag.FlagSet) error {
	var failed error
	flags.VisitAll(func(f *pflag.Flag) {
		name := "RAFTKV_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := os.Getenv(name)
		if value == "" || f.Changed || failed != nil || f.Name == "help" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			failed = misuse{fmt.Errorf("%s=%s: %w", name, value, flagError(err))}
		}
	})
	return failed
}
