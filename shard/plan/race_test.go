//go:build race

package plan

// underRace says that the race detector slows everything down, tenfold here.
const underRace = true
