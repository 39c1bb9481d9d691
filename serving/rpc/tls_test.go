package rpc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// authority signs certificates for the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{}
	certPEM, keyPEM := a.issue(t, true)
	pair, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert: pair.Leaf, key: pair.PrivateKey.(*ecdsa.PrivateKey)}
}

// issue makes a certificate for 127.0.0.1, signed by a, or by itself if a has no certificate yet.
func (a *authority) issue(t *testing.T, isCA bool) (certPEM, keyPEM string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "test"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: isCA, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, key
	if a.cert != nil {
		parent, signer = a.cert, a.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func (a *authority) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw}))
}

// client is the client's side of TLS: it trusts a, and shows a certificate if by is not nil.
func (a *authority) client(t *testing.T, by *authority) credentials.TransportCredentials {
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(a.cert)
	if by != nil {
		certPEM, keyPEM := by.issue(t, false)
		pair, err := tls.X509KeyPair([]byte(certPEM), []byte(keyPEM))
		if err != nil {
			t.Fatal(err)
		}
		// Shown even where the server's list of authorities does not have its issuer.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return credentials.NewTLS(config)
}

func TestTLS(t *testing.T) {
	ca, stranger := newAuthority(t), newAuthority(t)
	cert, key := ca.issue(t, false)
	for _, verify := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		serve(t, Options{Core: newCore(), TLS: &config_go_proto.SSLConfig{ServerCert: cert, ServerKey: key, CustomCa: ca.pem(), ClientVerify: verify}}, l)
		for name, c := range map[string]struct {
			creds    credentials.TransportCredentials
			accepted bool
		}{
			"plain text":                     {insecure.NewCredentials(), false},
			"a client that does not know it": {stranger.client(t, nil), false},
			"no client certificate":          {ca.client(t, nil), !verify},
			"its own client certificate":     {ca.client(t, ca), true},
			"a stranger's certificate":       {ca.client(t, stranger), !verify},
		} {
			_, err := call(t, dial(t, l.Addr().String(), c.creds), halfOfTwo)
			if c.accepted && err != nil || !c.accepted && status.Code(err) != codes.Unavailable {
				t.Errorf("client_verify=%v, %s: got %v", verify, name, err)
			}
		}
	}
}

func TestTLSConfigErrors(t *testing.T) {
	cert, key := newAuthority(t).issue(t, false)
	for _, c := range []struct {
		config *config_go_proto.SSLConfig
		want   string
	}{
		{&config_go_proto.SSLConfig{}, "server_cert and server_key"}, // never plain text by mistake
		{&config_go_proto.SSLConfig{ServerKey: key}, "server_cert and server_key"},
		{&config_go_proto.SSLConfig{ServerCert: cert, ServerKey: key, CustomCa: "nothing"}, "custom_ca"},
	} {
		if _, err := New(Options{Core: newCore(), TLS: c.config}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}
