package json

// AppendClassify appends the answer to a classify request: for each example a list of pairs of label and score.
func AppendClassify(dst []byte, results [][]Class) ([]byte, error) {
	if len(results) == 0 {
		return nil, invalid("Cannot convert empty ClassificationResults to JSON")
	}
	dst = append(dst, `{"results":[`...)
	for i, classes := range results {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		for j := range classes {
			if j > 0 {
				dst = append(dst, ',')
			}
			dst = AppendString(append(dst, '['), classes[j].Label)
			dst = AppendFloat32(append(dst, ','), classes[j].Score)
			dst = append(dst, ']')
		}
		dst = append(dst, ']')
	}
	return append(dst, "]}"...), nil
}

// AppendRegress appends the answer to a regress request: one value for each example.
func AppendRegress(dst []byte, values []float32) ([]byte, error) {
	if len(values) == 0 {
		return nil, invalid("Cannot convert empty RegressionResults to JSON")
	}
	dst = append(dst, `{"results":[`...)
	dst = appendEach(dst, values, AppendFloat32)
	return append(dst, "]}"...), nil
}
