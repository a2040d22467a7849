//go:build !race

package transport

// raced tells whether this is a build for the race detector.
const raced = false
