//go:build !linux

package eventlog

import "os"

func write(f *os.File, b []byte) (int, error) { return f.Write(b) }
