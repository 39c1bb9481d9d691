package configfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
)

// pair makes a key and a certificate of it, as PEM.
func pair(t *testing.T) (key, cert string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// PEM is written into such files in three ways: with \n, a string a line, and pasted as it is.
func TestSSL(t *testing.T) {
	key, cert := pair(t)
	lines := func(s string) string {
		var out strings.Builder
		for line := range strings.Lines(s) {
			fmt.Fprintf(&out, "\n  %q", line)
		}
		return out.String()
	}
	for name, quote := range map[string]func(string) string{
		"escaped": strconv.Quote, "a string a line": lines, "pasted": func(s string) string { return `"` + s + `"` },
		"pasted in Windows": func(s string) string { return `'` + strings.ReplaceAll(s, "\n", "\r\n") + `'` },
	} {
		text := fmt.Sprintf("# TLS\nserver_key: %s\nserver_cert: %s\ncustom_ca: %s\nclient_verify: true\n", quote(key), quote(cert), quote(cert))
		config, err := ReadSSL(write(t, "ssl.config", text))
		if err != nil || config.GetServerKey() != key || config.GetCustomCa() != cert || !config.GetClientVerify() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSSLFaults(t *testing.T) {
	key, cert := pair(t)
	other, _ := pair(t)
	for text, want := range map[string]string{
		"": "server_key must not be empty\nserver_cert must not be empty",
		fmt.Sprintf("server_key: %q server_cert: 'cert.pem'", key):                  "server_cert must hold PEM itself",
		fmt.Sprintf("server_key: %q server_cert: %q", other, cert):                  "server_cert and server_key: tls: private key does not match public key",
		fmt.Sprintf("server_key: %q server_cert: %q custom_ca: %q", key, cert, key): "custom_ca holds no certificate",
	} {
		if _, err := ReadSSL(write(t, "ssl.config", text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
