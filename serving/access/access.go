// Package access decides who may do what: which key a request needs, which keys there are, and below which directories a
// configuration that comes over the network may reach. It knows neither HTTP nor gRPC.
package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"strings"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Role is what a key allows. A greater one includes the lesser ones.
type Role int

// The roles. Nobody's needs no key at all: the server's health, and files that are the same for all servers.
const (
	Nobody Role = iota
	Predict
	Admin
)

// String is the role's word in a file of keys.
func (r Role) String() string {
	switch r {
	case Predict:
		return "predict"
	case Admin:
		return "admin"
	}
	return "nobody"
}

// digest stands for a key: the keys themselves are not kept.
type digest [sha256.Size]byte

type entry struct {
	role Role
	key  digest
}

// Keys are the keys of a file, which may be replaced while requests come. A nil *Keys lets everybody do everything. The
// methods are safe for concurrent use.
type Keys struct {
	entries atomic.Pointer[[]entry]
}

// NewKeys are the keys that a file's content lists.
func NewKeys(content []byte) (*Keys, error) {
	k := new(Keys)
	return k, k.Set(content)
}

// Set replaces the keys by those of a file's content; one with a fault changes nothing. The error is Faults.
func (k *Keys) Set(content []byte) error {
	entries, err := parse(content)
	if err == nil {
		k.entries.Store(&entries)
	}
	return err
}

// HasAdmin says whether any key is for administration.
func (k *Keys) HasAdmin() bool {
	for _, e := range *k.entries.Load() {
		if e.role == Admin {
			return true
		}
	}
	return false
}

// The errors never hold what the client sent.
var (
	errNoKey = status.Error(codes.Unauthenticated, "a key is needed: send it as authorization: Bearer KEY")
	errForm  = status.Error(codes.Unauthenticated, "the authorization is not of the form: Bearer KEY")
	errWrong = status.Error(codes.Unauthenticated, "the key is not one of this server's")
	errRole  = status.Error(codes.PermissionDenied, "a key for administration is needed; this one is for prediction")
)

// Check says whether a request with this authorization ("Bearer KEY"; "": none) may do what needs the role: UNAUTHENTICATED
// without a valid key, PERMISSION_DENIED where the key is valid and not enough.
func (k *Keys) Check(need Role, authorization string) error {
	if k == nil || need == Nobody {
		return nil
	}
	if authorization == "" {
		return errNoKey
	}
	scheme, key, _ := strings.Cut(authorization, " ")
	key = strings.TrimSpace(key)
	if !strings.EqualFold(scheme, "Bearer") || key == "" {
		return errForm
	}
	switch has := k.role(key); {
	case has == Nobody:
		return errWrong
	case has < need:
		return errRole
	}
	return nil
}

// role takes the same time whatever the key is: digests of one length are compared, with all of them.
func (k *Keys) role(key string) Role {
	sent := sha256.Sum256([]byte(key))
	found := 0
	for _, e := range *k.entries.Load() {
		same := subtle.ConstantTimeCompare(sent[:], e.key[:])
		found = subtle.ConstantTimeSelect(same, int(e.role), found)
	}
	return Role(found)
}
