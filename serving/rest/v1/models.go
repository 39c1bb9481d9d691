package v1

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"

	"github.com/valyala/fasthttp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"

	"shoal/serving"
	"shoal/serving/rest"
	tensorjson "shoal/tensor/json"
)

// protoJSON prints messages as TensorFlow Serving does: the proto's own names, default values included.
var protoJSON = protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}

// status answers GET /v1/models/NAME[/versions/N]. A label is ignored, as TensorFlow Serving does.
func (a *API) status(c *fasthttp.RequestCtx, t *target) error {
	var number int64
	spec := t.spec(&number)
	versions, err := a.opt.Core.Status(spec.Model, spec.Version)
	if err != nil {
		return err
	}
	writeIndented(c, append(appendVersions([]byte("{"), versions, nil), '}'))
	return nil
}

// list answers GET /v1/models with every model, its versions as in its status, how their signatures are batched and which engine
// runs them, and its labels.
func (a *API) list(c *fasthttp.RequestCtx) error {
	b := []byte(`{"models":[`)
	for i, m := range a.opt.Core.Models() {
		b = comma(b, i)
		b = appendText(append(b, `{"name":`...), m.Name)
		b = appendVersions(append(b, ','), m.Versions, appendBatching)
		b = append(b, `,"version_labels":{`...)
		n := 0
		for _, v := range m.Versions {
			for _, label := range v.Labels {
				b = comma(b, n)
				b = append(appendText(b, label), ':')
				b = appendNumber(b, v.Version)
				n++
			}
		}
		b = append(b, "}}"...)
	}
	writeIndented(c, append(b, "]}"...))
	return nil
}

// metadata answers GET /v1/models/NAME[/versions/N|/labels/L]/metadata with the signatures as the model has them.
func (a *API) metadata(c *fasthttp.RequestCtx, t *target) error {
	var number int64
	h, err := a.opt.Core.Handle(t.spec(&number))
	if err != nil {
		return err
	}
	defer h.Release()
	signatures, err := protoJSON.Marshal(h.Describe().Metadata)
	if err != nil {
		return status.Errorf(codes.Internal, "Failed to convert proto to json. Error: %v", err)
	}
	b := appendText([]byte(`{"model_spec":{"name":`), h.Model)
	b = appendNumber(append(b, `,"signature_name":"","version":`...), h.Version)
	b = append(b, `},"metadata":{"signature_def":`...)
	b = append(b, signatures...)
	writeIndented(c, append(b, "}}"...))
	return nil
}

// appendBatching prints the member signatures, if they are known.
func appendBatching(b []byte, v *serving.VersionStatus) []byte {
	if v.Report == nil {
		return b
	}
	b = append(b, `,"signatures":[`...)
	for i, s := range v.Report.Batching {
		b = comma(b, i)
		b = appendText(append(b, `{"name":`...), s.Signature)
		b = strconv.AppendBool(append(b, `,"batched":`...), s.Batched)
		b = appendText(append(b, `,"reason":`...), s.Reason)
		for _, e := range v.Report.Engines {
			if e.Signature == s.Signature {
				b = appendEngine(b, &e)
			}
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// appendEngine prints which engine runs a signature, if two were compared.
func appendEngine(b []byte, e *serving.SignatureEngine) []byte {
	b = appendText(append(b, `,"engine":{"name":`...), e.Engine)
	if e.Gain > 0 {
		b = strconv.AppendFloat(append(b, `,"speed":`...), e.Gain, 'f', 2, 64)
		b = strconv.AppendFloat(append(b, `,"difference":`...), e.Difference, 'e', 1, 64)
	}
	return append(appendText(append(b, `,"reason":`...), e.Reason), '}')
}

// appendVersions prints the member model_version_status; more adds members to each version.
func appendVersions(b []byte, versions []serving.VersionStatus, more func([]byte, *serving.VersionStatus) []byte) []byte {
	b = append(b, `"model_version_status":[`...)
	for i, v := range versions {
		b = comma(b, i)
		st := status.Convert(v.Err)
		b = appendNumber(append(b, `{"version":`...), v.Version)
		b = appendText(append(b, `,"state":`...), v.State.String())
		b = appendText(append(b, `,"status":{"error_code":`...), codeName(st.Code()))
		b = appendText(append(b, `,"error_message":`...), st.Message())
		b = append(b, '}')
		if more != nil {
			b = more(b, &versions[i])
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

// codeNames are the names of the canonical codes in protos.
var codeNames = [...]string{"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND",
	"ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE",
	"UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"}

func codeName(c codes.Code) string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return "UNKNOWN"
}

// appendNumber prints a 64-bit integer as proto JSON does: in quotes.
func appendNumber(b []byte, n int64) []byte {
	return append(strconv.AppendInt(append(b, '"'), n, 10), '"')
}

func appendText(b []byte, s string) []byte { return tensorjson.AppendString(b, []byte(s)) }

func comma(b []byte, i int) []byte {
	if i > 0 {
		b = append(b, ',')
	}
	return b
}

// writeIndented answers with an indented document.
func writeIndented(c *fasthttp.RequestCtx, document []byte) {
	var out bytes.Buffer
	if json.Indent(&out, document, "", " ") != nil {
		out.Reset()
		out.Write(document) // a name that is not UTF-8 is passed on as it is
	}
	out.WriteByte('\n')
	rest.WriteJSON(c, http.StatusOK, out.Bytes())
}
