package client_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"raftkv/kv/client"
)

func Example() {
	c, err := client.New(client.Options{Addrs: []string{"127.0.0.1:7001", "127.0.0.1:7002", "127.0.0.1:7003"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	n, err := c.Incr(ctx, "visits")
	switch {
	case err == nil:
		fmt.Println("visit number", n) // counted once, however often it was sent
	case errors.Is(err, client.ErrUncertain):
		fmt.Println("counted once or not at all:", err)
	default:
		fmt.Println("not counted:", err)
	}
}

// A lock that only its holder can release.
func ExampleClient_Do() {
	c, err := client.New(client.Options{Addrs: []string{"127.0.0.1:7001"}})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	ctx := context.Background() // client.DefaultTimeout applies
	reply, err := c.Do(ctx, "SET", "lock", "me", "NX", "PX", "30000")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("held:", reply.String() == "OK")
	if _, err = c.Do(ctx, "DELIFEQ", "lock", "me"); err != nil {
		log.Fatal(err)
	}
}
