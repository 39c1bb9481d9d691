package configfile

import (
	"crypto/tls"
	"crypto/x509"
	"strings"

	"github.com/wamuir/graft/tensorflow/serving/config_go_proto"

	"shoal/configs"
)

// DefaultMetricsPath is the path of Prometheus' metrics if a MonitoringConfig has none.
const DefaultMetricsPath = "/monitoring/prometheus/metrics"

// Metrics is the content of a MonitoringConfig.
type Metrics struct {
	Enabled bool
	Path    string // on the REST port
}

// ReadMetrics reads a text proto MonitoringConfig.
func ReadMetrics(path string) (Metrics, error) {
	config := &config_go_proto.MonitoringConfig{}
	if err := readText(path, config, strictText); err != nil {
		return Metrics{}, err
	}
	m := Metrics{Enabled: config.GetPrometheusConfig().GetEnable(), Path: config.GetPrometheusConfig().GetPath()}
	if m.Path == "" {
		m.Path = DefaultMetricsPath
	}
	var faults configs.Faults
	if !strings.HasPrefix(m.Path, "/") {
		faults.Addf("prometheus_config.path: %q must begin with /", m.Path)
	}
	return m, faults.Err()
}

// ReadSSL reads a text proto SSLConfig and checks that its PEM can be used.
func ReadSSL(path string) (*config_go_proto.SSLConfig, error) {
	config := &config_go_proto.SSLConfig{}
	if err := readText(path, config, multilineText); err != nil {
		return nil, err
	}
	var faults configs.Faults
	pem := func(field, value string) bool {
		switch {
		case value == "":
			faults.Addf("%s must not be empty", field)
		case !strings.Contains(value, "-----BEGIN "):
			faults.Addf("%s must hold PEM itself (-----BEGIN …), not a file's name", field)
		default:
			return true
		}
		return false
	}
	key, cert := pem("server_key", config.GetServerKey()), pem("server_cert", config.GetServerCert())
	if key && cert {
		if _, err := tls.X509KeyPair([]byte(config.GetServerCert()), []byte(config.GetServerKey())); err != nil {
			faults.Addf("server_cert and server_key: %v", err)
		}
	}
	if ca := config.GetCustomCa(); ca != "" && pem("custom_ca", ca) && !x509.NewCertPool().AppendCertsFromPEM([]byte(ca)) {
		faults.Addf("custom_ca holds no certificate")
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return config, nil
}
