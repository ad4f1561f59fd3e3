// SPDX-License-Identifier: Apache-2.0

// Checks what Gantry writes with golang.org/x/mod/sumdb, the implementation that Go's checksum database stands on.
//
//	tlog checkpoint VKEY FILE   a signed checkpoint: prints its size
//	tlog inclusion VKEY FILE    a proof by `gantry audit prove --record N --with-record`
//	tlog consistency VKEY FILE  a proof by `gantry audit prove --from FILE`
//	tlog note VKEY FILE         any signed note: prints its text
//	tlog cosign NAME FILE       add a witness's line to the checkpoint at the end of FILE; prints the witness's key
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
}

// A checkpoint is Go's tree description with another first line.
func open(text, vkey string) tlog.Tree {
	verifier, err := note.NewVerifier(vkey)
	must(err)
	n, err := note.Open([]byte(text), note.VerifierList(verifier))
	must(err)
	lines := strings.Split(n.Text, "\n")
	if len(lines) != 4 || lines[0] != verifier.Name() || lines[3] != "" {
		must(fmt.Errorf("not a checkpoint: %q", n.Text))
	}
	tree, err := tlog.ParseTree([]byte("go.sum database tree\n" + lines[1] + "\n" + lines[2] + "\n"))
	must(err)
	return tree
}

// The lines after the title: fields, hashes, and the checkpoint behind the first empty line.
func take(text, title string, fields int) ([]string, []tlog.Hash, string) {
	head, rest, found := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != title {
		must(fmt.Errorf("not a proof: %q", lines[0]))
	}
	var hashes []tlog.Hash
	for _, line := range lines[1+fields:] {
		h, err := tlog.ParseHash(line)
		must(err)
		hashes = append(hashes, h)
	}
	return lines[1 : 1+fields], hashes, rest
}

func decode(field, word string) []byte {
	bytes, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(field, word+" "))
	must(err)
	return bytes
}

func inclusion(text, vkey string) {
	fields, hashes, checkpoint := take(text, "c2sp.org/tlog-proof@v1", 2)
	tree := open(checkpoint, vkey)
	record := strings.TrimPrefix(string(decode(fields[0], "extra")), "gantry-record\n")
	index, err := strconv.ParseInt(strings.TrimPrefix(fields[1], "index "), 10, 64)
	must(err)
	must(tlog.CheckRecord(tlog.RecordProof(hashes), tree.N, tree.Hash, index, tlog.RecordHash([]byte(record))))
	fmt.Println(index, tree.N)
}

func consistency(text, vkey string) {
	fields, hashes, checkpoint := take(text, "gantry-consistency-proof@v1", 1)
	tree := open(checkpoint, vkey)
	old := open(string(decode(fields[0], "old")), vkey)
	must(tlog.CheckTree(tlog.TreeProof(hashes), tree.N, tree.Hash, old.N, old.Hash))
	fmt.Println(old.N, tree.N)
}

// c2sp.org/tlog-cosignature. Its key type is not Go's, the rest of the note is.
func cosign(name, path, text string) {
	public, private, err := ed25519.GenerateKey(nil)
	must(err)
	at := strings.LastIndex(text, "\n\n")
	start := strings.LastIndex(text[:at], "\n\n") + 2
	if !strings.HasPrefix(text, "c2sp.org/") && !strings.HasPrefix(text, "gantry-") {
		start = 0
	}
	const when = 1790000000
	message := fmt.Sprintf("cosignature/v1\ntime %d\n%s", when, text[start:at+1])
	hash := sha256.Sum256(append([]byte(name+"\n\x04"), public...))
	line := append(hash[:4:4], binary.BigEndian.AppendUint64(nil, when)...)
	line = append(line, ed25519.Sign(private, []byte(message))...)
	text += "— " + name + " " + base64.StdEncoding.EncodeToString(line) + "\n"
	must(os.WriteFile(path, []byte(text), 0o644))
	fmt.Printf("%s+%x+%s\n", name, hash[:4], base64.StdEncoding.EncodeToString(append([]byte{4}, public...)))
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: tlog checkpoint|inclusion|consistency|cosign VKEY|NAME FILE")
		os.Exit(2)
	}
	bytes, err := os.ReadFile(os.Args[3])
	must(err)
	switch os.Args[1] {
	case "checkpoint":
		fmt.Println(open(string(bytes), os.Args[2]).N)
	case "inclusion":
		inclusion(string(bytes), os.Args[2])
	case "consistency":
		consistency(string(bytes), os.Args[2])
	case "note":
		verifier, err := note.NewVerifier(os.Args[2])
		must(err)
		n, err := note.Open(bytes, note.VerifierList(verifier))
		must(err)
		fmt.Print(n.Text)
	case "cosign":
		cosign(os.Args[2], os.Args[3], string(bytes))
	default:
		os.Exit(2)
	}
}
