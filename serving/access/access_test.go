package access

import (
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	predictKey = "predict-0123456789abcdef"
	adminKey   = "admin.0123456789_ABCDEF~+/="
)

const file = "# keys of the tests\n\n  predict " + predictKey + "\tweb\r\nadmin " + adminKey + " # of the operators\n"

func TestCheck(t *testing.T) {
	keys, err := NewKeys([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		sent  string
		codes [3]codes.Code // for what needs nobody's, a prediction's, an administration's
	}{
		{"", [3]codes.Code{codes.OK, codes.Unauthenticated, codes.Unauthenticated}},
		{"Bearer " + predictKey, [3]codes.Code{codes.OK, codes.OK, codes.PermissionDenied}},
		{"bearer  " + predictKey + " ", [3]codes.Code{codes.OK, codes.OK, codes.PermissionDenied}},
		{"Bearer " + adminKey, [3]codes.Code{codes.OK, codes.OK, codes.OK}},
		{"Bearer " + adminKey[1:], [3]codes.Code{codes.OK, codes.Unauthenticated, codes.Unauthenticated}},
		{"Bearer " + adminKey + "0", [3]codes.Code{codes.OK, codes.Unauthenticated, codes.Unauthenticated}},
		{"Bearer", [3]codes.Code{codes.OK, codes.Unauthenticated, codes.Unauthenticated}},
		{"Basic " + adminKey, [3]codes.Code{codes.OK, codes.Unauthenticated, codes.Unauthenticated}},
		{adminKey, [3]codes.Code{codes.OK, codes.Unauthenticated, codes.Unauthenticated}},
	} {
		for role, want := range c.codes {
			err := keys.Check(Role(role), c.sent)
			if status.Code(err) != want {
				t.Errorf("%q for %v: %v, want %v", c.sent, Role(role), err, want)
			}
			if err != nil && (strings.Contains(err.Error(), "0123456789")) {
				t.Errorf("the error quotes the key: %v", err)
			}
		}
	}
	var none *Keys
	if err := none.Check(Admin, ""); err != nil {
		t.Errorf("without keys: %v", err)
	}
}

func TestFile(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "the file lists no key: write predict KEY or admin KEY",
		"# nothing\n":                      "the file lists no key: write predict KEY or admin KEY",
		"0123456789abcdef":                 "line 1: it must begin with predict or admin, as in: predict KEY",
		"predict":                          "line 1: predict has no key: write predict KEY",
		"\nadmin 0123456789abcde":          "line 2: the key has 15 characters and must have 16 or more: openssl rand -hex 32 makes one",
		"admin 0123456789abcde\u00e9":      "line 1: a key consists of letters, digits and - . _ ~ + / =",
		"admin 0123456789abcdef two names": "line 1: it has more than three words: write admin KEY NAME",
		"admin " + adminKey + "\npredict " + adminKey: "line 2: it has the same key as line 1",
		"predict x\nadmin y":                          "line 1: the key has 1 characters and must have 16 or more: openssl rand -hex 32 makes one\nline 2: the key has 1 characters and must have 16 or more: openssl rand -hex 32 makes one",
	} {
		_, err := NewKeys([]byte(text))
		if err == nil || err.Error() != want || status.Code(err) != codes.InvalidArgument {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := NewKeys(make([]byte, MaxFile+1)); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
}

// Keys change while requests come; a file with a fault changes nothing.
func TestSet(t *testing.T) {
	keys, err := NewKeys([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Set([]byte("admin short")); err == nil {
		t.Error("a short key was taken")
	}
	if err := keys.Check(Admin, "Bearer "+adminKey); err != nil {
		t.Errorf("after a file with a fault: %v", err)
	}
	var askers sync.WaitGroup
	for range 4 {
		askers.Go(func() {
			for range 1000 {
				if err := keys.Check(Predict, "Bearer "+predictKey); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 100 {
		if err := keys.Set([]byte("predict " + predictKey)); err != nil {
			t.Error(err)
		}
	}
	askers.Wait()
	if err := keys.Check(Admin, "Bearer "+adminKey); status.Code(err) != codes.Unauthenticated || keys.HasAdmin() {
		t.Errorf("a key that was taken away: %v", err)
	}
}
