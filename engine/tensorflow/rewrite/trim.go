package rewrite

import "strconv"

// trimRestore replaces the restore op by one that restores only what is still needed, or none at all. A restore that does more
// than assign variables (tables, for one) stays whole.
func (r *rewriter) trimRestore(restored map[*variable]*Key, plain bool) {
	live := r.main.closure(r.roots)
	var needed []*variable
	for _, v := range r.variables {
		// A frozen variable's handle may still be handed around, but nobody reads it.
		for _, n := range v.nodes {
			v.stays = v.stays || v.value == nil && live[n.Name]
		}
		if v.stays && restored[v] != nil {
			needed = append(needed, v)
		}
	}
	saver := r.mg.SaverDef
	switch {
	case saver.GetRestoreOpName() == "":
	case r.opt.Constants:
		r.mg.SaverDef = nil
		r.report.NoCheckpoint = true
	case !plain:
		r.report.note("the restore does more than assign variables, and stays as it is")
		r.roots = append(r.roots, saver.RestoreOpName, saver.FilenameTensorName)
		live = r.main.closure(r.roots)
		for _, v := range r.variables {
			for _, n := range v.nodes {
				v.stays = v.stays || live[n.Name]
			}
		}
	case len(needed) == 0:
		r.mg.SaverDef = nil
		r.report.NoCheckpoint = true
	default:
		saver.RestoreOpName = r.newRestore(needed, restored, saver.FilenameTensorName)
		saver.SaveTensorName = ""
		r.roots = append(r.roots, saver.RestoreOpName, saver.FilenameTensorName)
	}
}

// newRestore adds a restore of these variables to the main graph and returns its op.
func (r *rewriter) newRestore(needed []*variable, restored map[*variable]*Key, file string) string {
	g := r.main
	var names, slices []string
	var types []dataType
	for _, v := range needed {
		key := restored[v]
		names, slices, types = append(names, key.Name), append(slices, key.Slice), append(types, dataType(key.DType))
	}
	nameList := constNode(g.unused("restore/tensor_names"), "", stringVector(names))
	sliceList := constNode(g.unused("restore/shape_and_slices"), "", stringVector(slices))
	read := &node{Name: g.unused("restore/RestoreV2"), Op: "RestoreV2", Input: []string{file, nameList.Name, sliceList.Name},
		Attr: map[string]*attr{"dtypes": typesAttr(types)}}
	all := &node{Name: g.unused("restore/all"), Op: "NoOp"}
	for i, v := range needed {
		assign := &node{Name: g.unused("restore/Assign_" + strconv.Itoa(i)), Op: "AssignVariableOp",
			Input: []string{v.name(), g.ref(read.Name, "tensors", i, i)}, Attr: map[string]*attr{"dtype": typeAttr(v.dtype)}}
		if v.ref {
			assign.Op = "Assign"
			assign.Attr = map[string]*attr{"T": typeAttr(v.dtype), "validate_shape": boolAttr(restored[v].validateShape)}
		}
		g.add(assign)
		all.Input = append(all.Input, "^"+assign.Name)
	}
	g.add(nameList)
	g.add(sliceList)
	g.add(read)
	g.add(all)
	return all.Name
}
