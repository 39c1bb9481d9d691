package oip

import (
	"slices"
	"strings"

	"shoal/serving"
	"shoal/tensor"
)

// FindSignature is the signature that a request means; key "": the default one. The version is pinned.
func FindSignature(c *serving.Call, key string) (*tensor.Signature, error) {
	if key == "" {
		sig, err := defaultSignature(c.Handle)
		if sig != nil {
			c.Signature = sig.Name
		}
		return sig, err
	}
	sig, ok := c.Find(key)
	if !ok {
		if why := c.Handle.Missing(key); why != "" {
			return nil, invalid("%s", why)
		}
		return nil, invalid("model '%s' has no signature %q: name one of {%s} in the parameter 'signature_name'",
			c.Model, key, strings.Join(Signatures(c.Handle), ","))
	}
	return sig, representable(c.Model, sig)
}

// Input finds an input of the signature by the name and datatype that a request gives it.
func Input[S ~string | ~[]byte](c *serving.Call, sig *tensor.Signature, name, datatype S) (int, error) {
	i := sig.Input(string(name))
	if i < 0 {
		return 0, invalid("unexpected inference input '%s' for model '%s'", string(name), c.Model)
	}
	if want := Datatype(sig.Inputs[i].DType); string(datatype) != want {
		return 0, invalid("inference input '%s' data-type is '%s', but model '%s' expects '%s'", string(name), string(datatype), c.Model, want)
	}
	return i, nil
}

// WrongInputs is the error for a request that leaves inputs out, or has one twice. names are those that it has.
func WrongInputs(c *serving.Call, sig *tensor.Signature, names []string) error {
	var missing []string
	for i := range sig.Inputs {
		if s := &sig.Inputs[i]; s.Default == nil && !slices.Contains(names, s.Name) {
			missing = append(missing, s.Name)
		}
	}
	if len(missing) == 0 {
		return invalid("an input is given twice for model '%s'. Got input(s) %s", c.Model, quoted(names))
	}
	return invalid("expected %d inputs but got %d inputs for model '%s'. Got input(s) %s, but missing required input(s) %s. "+
		"Please provide all required input(s).", len(sig.Inputs), len(names), c.Model, quoted(names), quoted(missing))
}

// Output finds an output of the signature by its name.
func Output[S ~string | ~[]byte](c *serving.Call, sig *tensor.Signature, name S) (int, error) {
	i := sig.Output(string(name))
	if i < 0 {
		return 0, invalid("unexpected inference output '%s' for model '%s'", string(name), c.Model)
	}
	return i, nil
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "[]"
	}
	return "['" + strings.Join(names, "','") + "']"
}
