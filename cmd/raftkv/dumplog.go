package main

import (
	"raftkv/kv/decode"
)

func dumpLog(path string, out printer) error {
	return decode.Log(path, func(e decode.Entry, _ []byte) error { return out.print(e.Text(), e) })
}
