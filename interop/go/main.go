// Command peer is a SPIFFE workload as anyone would write it in Go: go-spiffe and the standard library, no knowledge
// of Symbolon. Each subcommand does one thing and prints what it saw as a JSON document; the tests judge.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// patience is how long a subcommand may take.
const patience = time.Minute

// command is a subcommand: its arguments, for the message when they are wrong, and its function.
type command struct {
	arguments []string
	run       func(ctx context.Context, arguments []string) (any, error)
}

// commands by their names. What has `...` at its end may come any number of times.
var commands = map[string]command{
	"bundle":  {[]string{"TRUST-DOMAIN", "FILE"}, bundle},
	"chain":   {[]string{"TRUST-DOMAIN", "FOLDER"}, chain},
	"token":   {[]string{"TRUST-DOMAIN", "BUNDLE-FILE", "TOKEN-FILE", "AUDIENCE"}, token},
	"fetch":   {[]string{"SOCKET", "AUDIENCE"}, fetch},
	"watch":   {[]string{"SOCKET", "UPDATES"}, watch},
	"connect": {[]string{"SOCKET", "ADDRESS", "SPIFFE-ID"}, connect},
	"listen":  {[]string{"SOCKET", "SPIFFE-ID"}, listen},
	"server":  {[]string{"SOCKET", "ADDRESS", "TRUST-DOMAIN"}, server},
	"version": {nil, version},

	"certificates": {[]string{"FOLDER..."}, certificates},
	"issue":        {[]string{"FOLDER", "OID..."}, issue},
	"dial":         {[]string{"ADDRESS", "FOLDER", "GROUP"}, dial},
	"serve":        {[]string{"FOLDER", "GROUP"}, serve},
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
	if arguments = arguments[1:]; !command.takes(len(arguments)) {
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

func (command command) takes(count int) bool {
	fixed := len(command.arguments)
	if fixed > 0 && strings.HasSuffix(command.arguments[fixed-1], "...") {
		return count >= fixed
	}
	return count == fixed
}

// say prints one JSON document on a line of its own.
func say(seen any) error {
	return json.NewEncoder(os.Stdout).Encode(seen)
}
