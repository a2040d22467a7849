package diagram

import (
	_ "embed"
	"encoding/json"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var pageText string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var page = template.Must(template.New("page").Parse(pageText))

// HTML writes the diagram as one page that needs nothing else, neither files nor
// network.
func HTML(w io.Writer, d *Data) error {
	// json.Marshal escapes <, > and &, so nothing in a log can end the script.
	data, err := json.Marshal(d)
	if err != nil {
		return err
	}
	return page.Execute(w, map[string]any{
		"Title": d.Title, "Notes": strings.Join(d.Notes, ", "), "Data": template.JS(data), "Style": template.CSS(pageStyle), "Script": template.JS(pageScript),
	})
}
