package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"raftkv/kv/certs"
)

func newCert() *cobra.Command {
	var dir string
	var renew bool
	cmd := &cobra.Command{
		Use:   "cert NODE [NODE...]",
		Short: "Make certificates for nodes that speak TLS",
		Long: `Make certificates for nodes that speak TLS, and at the first time the authority that
they are of. A NODE is the host that others reach it by, or several with commas
between them: 10.0.0.1,db1.example.com.

Each node gets its certificate, its key and ca.crt, and nothing else: whoever has
ca.key can make nodes of the cluster. Clients get ca.crt. Certificates of an
authority that you have already serve as well.`,
		Example: `  raftkv cert 10.0.0.1 10.0.0.2 10.0.0.3
  raftkv cert --dir certs 10.0.0.1,db1.example.com
  raftkv cert --renew 10.0.0.1            # a running node takes it when its files change`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misuse{errors.New("for which nodes? Name the hosts that they are reached by")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			authority, made, err := certs.OpenAuthority(dir)
			if err != nil {
				return err
			}
			if made {
				fmt.Fprintf(out, "made the authority: %s/ca.crt, and ca.key, which stays where it is safe\n", dir)
			}
			for _, node := range args {
				f, err := authority.Node(strings.Split(node, ","), renew)
				switch {
				case errors.Is(err, fs.ErrExist):
					fmt.Fprintf(out, "%s has its certificate already, in %s; --renew makes another\n", node, f.Cert)
					continue
				case err != nil:
					return err
				}
				fmt.Fprintf(out, "%s: --tls-cert %s --tls-key %s --tls-ca %s\n", node, f.Cert, f.Key, f.CA)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "certs", "folder of the authority and of what it makes")
	cmd.Flags().BoolVar(&renew, "renew", false, "replace certificates that there are")
	return cmd
}
