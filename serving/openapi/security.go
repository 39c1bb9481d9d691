package openapi

// openOperation is the security of an operation that needs no key, where others do.
var openOperation = &[]struct{}{}

// keys says that operations need a key, which one of them does not where its page is open.
func (b *builder) keys(pages []Page) {
	b.doc.Security = []map[string][]string{{"key": {}}}
	b.doc.Components.Schemes = map[string]scheme{"key": {Type: "http", Scheme: "bearer",
		Description: "A key of --api_key_file: one for predictions for all that is under /v1/, one for administration for all."}}
	for _, p := range pages {
		if p.Open {
			b.doc.Paths[p.Path].Get.Security = openOperation
		}
	}
}
