// Command secrets makes the keys and certificates of an example deployment:
//
//	go run ./test/deploy/secrets DIR [HOST]...
//
// See deploy.Secrets.
package main

import (
	"fmt"
	"os"

	"github.com/bellhop/bellhop/test/deploy"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: secrets DIR [HOST]...")
		os.Exit(2)
	}
	if err := deploy.Secrets(os.Args[1], os.Args[2:]...); err != nil {
		fmt.Fprintln(os.Stderr, "secrets:", err)
		os.Exit(1)
	}
}
