package netns

import (
	"os"
	"os/signal"
	"syscall"
)

// removeAtSignal removes the lab when the test is interrupted: nothing else would,
// since a signal ends the process before any clean-up. It ends with the process.
func removeAtSignal(l *lab) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	go func() {
		<-signals
		l.remove()
		os.Exit(1)
	}()
}
