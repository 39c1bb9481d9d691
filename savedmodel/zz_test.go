package savedmodel
import ("testing";"os";"fmt";"shoal/savedmodel/rewrite")
func TestZZ(t *testing.T){
 for name,dir:=range rewriteModels(t){
  r,err:=Plan(dir,Options{Freeze: rewrite.Always}); if err!=nil {fmt.Println(name,err);continue}
  fmt.Println("==",name,r.Took); r.Print(os.Stdout)
 }
 for _,n:=range []string{"mobilenet_v2","resnet50"}{ r,err:=Plan("../.cache/models/bench/"+n+"/1",Options{Freeze: rewrite.Always}); fmt.Println(n,err); r.Print(os.Stdout); fmt.Println(r.Took)}
}
