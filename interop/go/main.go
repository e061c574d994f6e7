// Command peer is a SPIFFE workload as anyone would write it in Go: go-spiffe and the standard library, no knowledge
// of Symbolon. Each subcommand does one thing and prints what it saw as a JSON document; the tests judge.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// patience is how long a subcommand may take.
const patience = time.Minute

// commands maps the name of a subcommand to its arguments, for the message when they are wrong, and its function.
var commands = map[string]struct {
	arguments []string
	run       func(ctx context.Context, arguments []string) (any, error)
}{
	"bundle":  {[]string{"TRUST-DOMAIN", "FILE"}, bundle},
	"chain":   {[]string{"TRUST-DOMAIN", "FOLDER"}, chain},
	"token":   {[]string{"TRUST-DOMAIN", "BUNDLE-FILE", "TOKEN-FILE", "AUDIENCE"}, token},
	"fetch":   {[]string{"SOCKET", "AUDIENCE"}, fetch},
	"watch":   {[]string{"SOCKET", "UPDATES"}, watch},
	"connect": {[]string{"SOCKET", "ADDRESS", "SPIFFE-ID"}, connect},
	"listen":  {[]string{"SOCKET", "SPIFFE-ID"}, listen},
	"server":  {[]string{"SOCKET", "ADDRESS", "TRUST-DOMAIN"}, server},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 0 {
		return fmt.Errorf("name a subcommand")
	}
	command, known := commands[arguments[0]]
	if !known {
		return fmt.Errorf("no subcommand %q", arguments[0])
	}
	if arguments = arguments[1:]; len(arguments) != len(command.arguments) {
		return fmt.Errorf("arguments: %v", command.arguments)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	seen, err := command.run(ctx, arguments)
	if err != nil {
		return err
	}
	return say(seen)
}

// say prints one JSON document on a line of its own.
func say(seen any) error {
	return json.NewEncoder(os.Stdout).Encode(seen)
}
