// SPDX-License-Identifier: Apache-2.0
// Copyright The Kuryr Authors

package main

import "github.com/spf13/cobra"

// manual is what a command's help says beside usage and flags, in the
// sections of a manual page.
type manual struct {
	Environment, Files, Exit string
}

// exitCommon are the exit statuses of a command that adds nothing to them.
const exitCommon = `  0  success
  1  failure; standard error says which
  2  a command line that cannot be understood`

// annotate attaches the manual to a command, where the help template finds it.
func (m manual) annotate(c *cobra.Command) {
	c.Annotations = map[string]string{"environment": m.Environment, "files": m.Files, "exit": m.Exit}
}

// helpTemplate lays help out as a manual page. Nothing is wider than 100 columns.
const helpTemplate = `{{with or .Long .Short}}{{.}}

{{end}}Usage:
{{- if or (not .HasAvailableSubCommands) (index .Annotations "runs")}}
  {{.UseLine}}
{{- end}}
{{- if .HasAvailableSubCommands}}
  {{.CommandPath}} COMMAND [flags]
{{- end}}
{{- if .HasAvailableSubCommands}}

Commands:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}
{{- end}}{{end}}
{{- end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 95 | trimTrailingWhitespaces}}
{{- end}}
{{- with index .Annotations "environment"}}

Environment:
{{.}}
{{- end}}
{{- with index .Annotations "files"}}

Files:
{{.}}
{{- end}}
{{- with index .Annotations "exit"}}

Exit status:
{{.}}
{{- end}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}

Use "{{.CommandPath}} COMMAND --help" for more about a command.
{{- end}}
`
