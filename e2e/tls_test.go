package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

// authority signs certificates of the tests.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newAuthority(t *testing.T, name string) *authority {
	a := &authority{t: t}
	template := certificate(name)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	a.cert, a.key = template, a.newKey()
	a.pem = a.sign(template, a.key)
	parsed, err := x509.ParseCertificate(decodePEM(t, a.pem))
	if err != nil {
		t.Fatal(err)
	}
	a.cert = parsed
	return a
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
}

func (a *authority) newKey() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	return key
}

// sign returns the certificate of a key, as PEM.
func (a *authority) sign(template *x509.Certificate, key *ecdsa.PrivateKey) string {
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// issue makes a pair for a server on this machine and for a client, both as PEM.
func (a *authority) issue(name string) (cert, key string) {
	template := certificate(name)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	private := a.newKey()
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.sign(template, private), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// trust is a client's side: it trusts this authority alone, and shows the pairs.
func (a *authority) trust(pairs ...tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return &tls.Config{RootCAs: pool, Certificates: pairs, MinVersion: tls.VersionTLS12}
}

func pair(t *testing.T, cert, key string) tls.Certificate {
	p, err := tls.X509KeyPair([]byte(cert), []byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func decodePEM(t *testing.T, text string) []byte {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatal("no PEM")
	}
	return block.Bytes
}

func TestMutualTLS(t *testing.T) {
	ca, stranger := newAuthority(t, "the test's authority"), newAuthority(t, "another authority")
	serverCert, serverKey := ca.issue("server")
	clientCert, clientKey := ca.issue("client")
	otherCert, otherKey := stranger.issue("client")
	dir := t.TempDir()
	serve := func(rest string) *server {
		file := writeFile(t, dir, "ssl.config", fmt.Sprintf("server_key: %q\nserver_cert: %q\n%s", serverKey, serverCert, rest))
		return startModel(t, "half_plus_two", "--ssl_config_file="+file)
	}
	mutual := serve(fmt.Sprintf("custom_ca: %q\nclient_verify: true", ca.pem))
	oneSided := serve("")
	for _, c := range []struct {
		name     string
		s        *server
		config   *tls.Config
		accepted bool
	}{
		{"server alone shows a certificate", oneSided, ca.trust(), true},
		{"a client that does not trust the server", oneSided, stranger.trust(), false},
		{"both show certificates", mutual, ca.trust(pair(t, clientCert, clientKey)), true},
		{"the client shows none", mutual, ca.trust(), false},
		{"the client's is signed by another authority", mutual, ca.trust(pair(t, otherCert, otherKey)), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			y, _, err := predictRPC(t.Context(), c.s.dial(grpc.WithTransportCredentials(credentials.NewTLS(c.config))), "half_plus_two", 1)
			if c.accepted && (err != nil || y != 3.5) || !c.accepted && status.Code(err) != codes.Unavailable {
				t.Errorf("%v %v, accepted: want %v", y, err, c.accepted)
			}
		})
	}
	t.Run("without TLS", func(t *testing.T) {
		if _, _, err := predictRPC(t.Context(), oneSided.dial(), "half_plus_two", 1); status.Code(err) != codes.Unavailable {
			t.Error(err)
		}
	})
	pythonChecks(t, []string{"secure"}, map[string]string{"grpc": mutual.grpc, "ca": writeFile(t, dir, "ca.pem", ca.pem),
		"stranger": writeFile(t, dir, "stranger.pem", stranger.pem),
		"cert":     writeFile(t, dir, "cert.pem", clientCert), "key": writeFile(t, dir, "key.pem", clientKey)})
}

func TestRESTOverTLS(t *testing.T) {
	ca, dir := newAuthority(t, "the test's authority"), t.TempDir()
	cert, key := ca.issue("server")
	s := launch(t, "--model_name=half_plus_two", "--model_base_path="+testModels(t)+"/half_plus_two",
		"--rest_tls_cert_file="+writeFile(t, dir, "cert.pem", cert), "--rest_tls_key_file="+writeFile(t, dir, "key.pem", key))
	url := strings.Replace(s.url, "http:", "https:", 1)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: ca.trust()}}
	defer client.CloseIdleConnections()
	s.eventually("it is ready", func() bool {
		resp, err := client.Get(url + "/readyz")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	resp, err := client.Post(url+"/v1/models/half_plus_two:predict", "application/json", strings.NewReader(`{"instances":[1.0]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != 200 || squeeze(string(body)) != `{"predictions":[3.5]}` {
		t.Errorf("%d %s %v", resp.StatusCode, body, err)
	}
	if _, err := http.Get(url + "/readyz"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("a client that trusts nobody here: %v", err)
	}
	if code := s.status("/readyz"); code == http.StatusOK {
		t.Error("plain HTTP was answered")
	}
}
