//go:build !linux

package pulse

import "errors"

func newSystemTimer(func()) (timer, error) { return nil, errors.ErrUnsupported }
