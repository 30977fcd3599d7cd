// Checks an OCI image layout with the schemas of the image-spec: `schema LAYOUT`. Prints what was checked and what is
// wrong as JSON; exit 1 where something is. Beside the schemas, every blob must have the size and digest by which it
// is described.
package main

import (
	"bytes"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/schema"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

type walk struct {
	root    string
	seen    map[digest.Digest]bool
	Checked map[string]int `json:"checked"`
	Wrong   []string       `json:"wrong"`
}

func main() {
	w := &walk{root: os.Args[1], seen: map[digest.Digest]bool{}, Checked: map[string]int{}, Wrong: []string{}}
	if header, ok := w.file("oci-layout"); ok {
		w.check("oci-layout", "layout", schema.ValidatorMediaTypeLayoutHeader, header)
	}
	if index, ok := w.file("index.json"); ok {
		w.index("index.json", index)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if out.Encode(w) != nil || len(w.Wrong) > 0 {
		os.Exit(1)
	}
}

func (w *walk) wrong(where string, err error) {
	w.Wrong = append(w.Wrong, fmt.Sprintf("%s: %v", where, err))
}

func (w *walk) file(name string) ([]byte, bool) {
	bytes, err := os.ReadFile(filepath.Join(w.root, name))
	if err != nil {
		w.wrong(name, err)
	}
	return bytes, err == nil
}

func (w *walk) check(where, kind string, validator schema.Validator, document []byte) bool {
	w.Checked[kind]++
	err := validator.Validate(bytes.NewReader(document))
	if err != nil {
		w.wrong(where, err)
	}
	return err == nil
}

func (w *walk) index(where string, document []byte) {
	var index v1.Index
	if !w.check(where, "index", schema.ValidatorMediaTypeImageIndex, document) || json.Unmarshal(document, &index) != nil {
		return
	}
	for _, descriptor := range index.Manifests {
		w.descriptor(where, descriptor)
	}
	if index.Subject != nil {
		w.described(where, *index.Subject)
	}
}

func (w *walk) manifest(where string, document []byte) {
	var manifest v1.Manifest
	if !w.check(where, "manifest", schema.ValidatorMediaTypeManifest, document) || json.Unmarshal(document, &manifest) != nil {
		return
	}
	w.descriptor(where, manifest.Config)
	for _, layer := range manifest.Layers {
		w.descriptor(where, layer)
	}
	// A subject may be missing: the spec allows it, and it is then no part of this image.
	if manifest.Subject != nil {
		w.described(where, *manifest.Subject)
	}
}

func (w *walk) described(where string, descriptor v1.Descriptor) bool {
	document, err := json.Marshal(descriptor)
	if err != nil {
		w.wrong(where, err)
		return false
	}
	return w.check(where, "descriptor", schema.ValidatorMediaTypeDescriptor, document)
}

// descriptor checks one, and once what it describes.
func (w *walk) descriptor(where string, descriptor v1.Descriptor) {
	if !w.described(where, descriptor) || w.seen[descriptor.Digest] {
		return
	}
	w.seen[descriptor.Digest] = true
	name := descriptor.Digest.String()
	document, err := w.blob(descriptor)
	if err != nil {
		w.wrong(name, err)
		return
	}
	switch descriptor.MediaType {
	case v1.MediaTypeImageIndex:
		w.index(name, document)
	case v1.MediaTypeImageManifest:
		w.manifest(name, document)
	case v1.MediaTypeImageConfig:
		w.check(name, "config", schema.ValidatorMediaTypeImageConfig, document)
	default:
		w.Checked["blob"]++
	}
}

// blob reads what a descriptor describes; content that is no JSON document of the spec is hashed, and not kept.
func (w *walk) blob(descriptor v1.Descriptor) ([]byte, error) {
	if err := descriptor.Digest.Validate(); err != nil {
		return nil, err
	}
	path := filepath.Join(w.root, "blobs", descriptor.Digest.Algorithm().String(), descriptor.Digest.Encoded())
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var kept bytes.Buffer
	var sink io.Writer = io.Discard
	switch descriptor.MediaType {
	case v1.MediaTypeImageIndex, v1.MediaTypeImageManifest, v1.MediaTypeImageConfig:
		sink = &kept
	}
	verifier := descriptor.Digest.Verifier()
	size, err := io.Copy(io.MultiWriter(verifier, sink), file)
	if err != nil {
		return nil, err
	}
	if size != descriptor.Size || !verifier.Verified() {
		return nil, fmt.Errorf("is not what its descriptor says: %d bytes of %d", size, descriptor.Size)
	}
	return kept.Bytes(), nil
}
