package serving

// Core is what the APIs need of the manager; *manager.Manager is one. Routing is a Core around another one: it changes the spec before
// it passes it on.
type Core interface {
	// Handle resolves a spec and pins the version: NOT_FOUND "Servable not found for request: Latest(m)",
	// INVALID_ARGUMENT "Unrecognized servable version label: l". Release it soon.
	Handle(spec ModelSpec) (*Handle, error)
	// Status lists a model's versions, newest first; version nil: all. NOT_FOUND "Could not find any versions of model m" or
	// "Could not find version 7 of model m".
	Status(model string, version *int64) ([]VersionStatus, error)
	// Models lists every model, by name.
	Models() []ModelStatus
	// Ready says whether every configured model has an available version, and else why not, a reason a model.
	Ready() (bool, []string)
}
