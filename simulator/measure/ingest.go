package measure

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // the driver sqlite

	"turnstile/central/database"
	"turnstile/central/database/postgrestest"
	"turnstile/central/ledger"
	"turnstile/central/link"
	"turnstile/central/pass"
)

// What one round of ingest takes in, by one lane controller.
const (
	ingestBatches = 32
	ingestEntries = 250
	ingestRows    = ingestBatches * ingestEntries
)

// ingest measures journals on their way into the ledger, with everything that is
// verified and counted about them, beside the bare insertion of the same rows into
// a table with the same columns, reference and indices: COPY on PostgreSQL.
func (r *rig) ingest(ctx context.Context) error {
	bare, err := newBareFile(ctx, filepath.Join(r.folder, "bare.db"))
	if err != nil {
		return err
	}
	if err := r.ingestBeside(ctx, filepath.Join(r.folder, "ingest.db"), "SQLite", "bare bulk insert, same table", bare); err != nil {
		return err
	}
	server, err := postgrestest.Start("fsync=on", "full_page_writes=on")
	if errors.Is(err, postgrestest.ErrMissing) {
		fmt.Fprintln(os.Stderr, "no rows of PostgreSQL:", err)
		return nil
	}
	if err != nil {
		return err
	}
	err = r.ingestPostgres(ctx, server)
	return errors.Join(err, server.Stop())
}

func (r *rig) ingestPostgres(ctx context.Context, server *postgrestest.Server) error {
	where, err := server.Create(ctx, "ingest")
	if err != nil {
		return err
	}
	other, err := server.Create(ctx, "bare")
	if err != nil {
		return err
	}
	bare, err := newBareCopy(ctx, other)
	if err != nil {
		return err
	}
	return r.ingestBeside(ctx, where, "PostgreSQL", "bare COPY, same table", bare)
}

// bareTable takes rows with nothing around them, durably.
type bareTable interface {
	take(ctx context.Context, rows [][]any) error
	Close() error
}

func (r *rig) ingestBeside(ctx context.Context, where, name, limit string, bare bareTable) error {
	defer bare.Close()
	db, err := database.Open(ctx, where)
	if err != nil {
		return err
	}
	defer db.Close()
	in, err := newIntake(ctx, db)
	if err != nil {
		return err
	}
	defer in.stop()
	row := Row{Measure: "a journal entry into " + name + ", verified and counted", Limit: limit, Unit: "ns", Mark: 1 / 0.6}
	var ps, ls, ratios []float64
	for round := range r.Rounds + 1 {
		messages, rows := in.next()
		p, err := timed(1, func() error { return in.take(ctx, messages) })
		if err != nil {
			return fmt.Errorf("%s: %w", row.Measure, err)
		}
		l, err := timed(1, func() error { return bare.take(ctx, rows) })
		if err != nil {
			return fmt.Errorf("%s: %w", row.Limit, err)
		}
		if round > 0 { // the first one warms up
			ps, ls, ratios = append(ps, p/ingestRows), append(ls, l/ingestRows), append(ratios, p/l)
		}
	}
	row.Product, row.Bound, row.Ratio = median(ps), median(ls), median(ratios)
	r.rows = append(r.rows, row)
	return nil
}

// intake is a ledger, and the lane that fills it.
type intake struct {
	*ledger.Ledger
	signer laneSigner
	acks   chan uint64
	stop   func()
	r      *mathrand.Rand
	id     link.JournalID
	chain  link.Hash
	seq    uint64
	at     int64
}

type laneSigner struct{ ed25519.PrivateKey }

func (s laneSigner) public() ed25519.PublicKey { return s.Public().(ed25519.PublicKey) }

// KeyID names the key.
func (s laneSigner) KeyID() link.KeyID { return link.IDOf(s.public()) }

// Sign signs as the lane.
func (s laneSigner) Sign(message []byte) ([]byte, error) {
	return ed25519.Sign(s.PrivateKey, message), nil
}

func newIntake(ctx context.Context, db *database.DB) (*intake, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key: %w", err)
	}
	in := &intake{signer: laneSigner{key}, acks: make(chan uint64, ingestBatches), r: mathrand.New(mathrand.NewPCG(3, 4)), id: link.JournalID{1}, at: time.Now().UnixMilli()}
	in.chain = link.JournalStart(in.id)
	in.Ledger = ledger.New(ledger.Config{Site: "bench", DB: db, Signer: in.signer, Publisher: in, Alarms: &ledger.Alarms{DB: db, Now: time.Now},
		Keys: func(string) link.Keys { return link.KeysOf(in.signer.public()) }, Location: time.UTC, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { in.Run(ctx) }) // ends with ctx
	in.stop = func() { cancel(); running.Wait() }
	return in, nil
}

// Publish takes an acknowledgement in the broker's place.
func (in *intake) Publish(ctx context.Context, _ string, payload []byte, _ byte, _ bool) error {
	a, err := link.Open[link.Ack](payload, link.TypeAck, "bench", link.KeysOf(in.signer.public()), link.MaxState)
	if err != nil {
		return err
	}
	select {
	case in.acks <- a.Seq:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// next makes the messages of a round, and its rows as the table has them.
func (in *intake) next() (messages [][]byte, rows [][]any) {
	received := in.at + ingestRows
	for range ingestBatches {
		first, before := in.seq+1, in.chain
		var raws [][]byte
		for range ingestEntries {
			e := in.entry()
			raw := e.Append(nil)
			in.chain = link.JournalChain(in.chain, raw)
			raws = append(raws, raw)
			facet := int64(e.Type)<<32 | int64(e.Reason)<<24 | int64(e.Kind)<<16 | int64(e.Zone)<<8 | int64(e.Direction)
			rows = append(rows, []any{int64(e.Seq), int64(1), int64(e.Seq), int64(2517), int64(e.Pass.Day), int64(e.Pass.Index), received, raw, e.Wall, int64(256 + int(e.Lane)), facet})
		}
		sealed, err := link.Seal(in.signer, link.TypeBatch, "bench", link.NewBatch("north", in.id, first, before, raws))
		if err != nil {
			panic(err) // a batch of its own making
		}
		messages = append(messages, sealed)
	}
	return messages, rows
}

// entry is the next of a rush hour at one controller: a grant and its passage, or
// a refusal now and then.
func (in *intake) entry() link.Entry {
	in.seq++
	in.at += int64(in.r.IntN(2))
	e := link.Entry{Type: link.EntryGranted, Lane: uint8(1 + in.r.IntN(4)), Direction: uint8(1 + in.r.IntN(2)), Zone: 2, Seq: in.seq, Wall: in.at,
		Kind: pass.ECard, Pass: pass.ID{Day: 2517, Index: uint32(in.r.IntN(30_000))}}
	switch {
	case in.r.IntN(20) == 0:
		e.Type, e.Reason = link.EntryDenied, pass.Expired
	case in.seq%2 == 0:
		e.Type, e.Grant = link.EntryPassed, in.seq-1
	}
	return e
}

// take gives all messages to the ledger and waits until the last is acknowledged.
func (in *intake) take(ctx context.Context, messages [][]byte) error {
	for _, m := range messages {
		if err := in.Take(ctx, "north", m); err != nil {
			return err
		}
	}
	for {
		select {
		case seq := <-in.acks:
			if seq == in.seq {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// bareSchema is the ledger's table with its reference and its indices.
var bareSchema = []string{
	`CREATE TABLE journals (key BIGINT NOT NULL PRIMARY KEY)`,
	`INSERT INTO journals (key) VALUES (1)`,
	`CREATE TABLE bare (number BIGINT NOT NULL PRIMARY KEY, journal BIGINT NOT NULL REFERENCES journals (key), seq BIGINT NOT NULL, day BIGINT NOT NULL, pass_day BIGINT NOT NULL,
		pass_idx BIGINT NOT NULL, received BIGINT NOT NULL, entry BYTEA NOT NULL, at BIGINT NOT NULL, lane_key BIGINT NOT NULL, facet BIGINT NOT NULL, UNIQUE (journal, seq))`,
	`CREATE INDEX bare_pass ON bare (pass_day, pass_idx) WHERE pass_day > 0`,
	`CREATE INDEX bare_facet ON bare (facet, at, number)`,
	`CREATE INDEX bare_lane ON bare (lane_key, facet, at, number)`,
}

var bareColumns = []string{"number", "journal", "seq", "day", "pass_day", "pass_idx", "received", "entry", "at", "lane_key", "facet"}

// bareFile is a table in SQLite, with the settings of central's.
type bareFile struct{ *sql.DB }

func newBareFile(ctx context.Context, path string) (*bareFile, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=cache_size(-16384)&_pragma=wal_autocheckpoint(4000)&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("open SQLite: %w", err)
	}
	for _, s := range bareSchema {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return nil, errors.Join(fmt.Errorf("make table: %w", err), db.Close())
		}
	}
	return &bareFile{db}, nil
}

// bareTogether rows share a statement: found to be the quickest.
const bareTogether = 8

func (b *bareFile) take(ctx context.Context, rows [][]any) error {
	tx, err := b.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() // no-op after a commit
	var values []string
	for i := range bareTogether * len(bareColumns) {
		values = append(values, "$"+strconv.Itoa(i+1))
	}
	text := strings.Builder{}
	for i := range bareTogether {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString("(" + strings.Join(values[i*len(bareColumns):(i+1)*len(bareColumns)], ",") + ")")
	}
	insert, err := tx.PrepareContext(ctx, "INSERT INTO bare ("+strings.Join(bareColumns, ",")+") VALUES "+text.String())
	if err != nil {
		return err
	}
	defer insert.Close()
	args := make([]any, 0, len(values))
	for i, row := range rows {
		if args = append(args, row...); (i+1)%bareTogether == 0 {
			if _, err := insert.ExecContext(ctx, args...); err != nil {
				return err
			}
			args = args[:0]
		}
	}
	return tx.Commit()
}

// bareCopy is a table in PostgreSQL that is filled by COPY.
type bareCopy struct{ *pgx.Conn }

func newBareCopy(ctx context.Context, where string) (*bareCopy, error) {
	c, err := pgx.Connect(ctx, where)
	if err != nil {
		return nil, fmt.Errorf("open PostgreSQL: %w", err)
	}
	for _, s := range bareSchema {
		if _, err := c.Exec(ctx, s); err != nil {
			return nil, errors.Join(fmt.Errorf("make table: %w", err), c.Close(ctx))
		}
	}
	return &bareCopy{c}, nil
}

func (b *bareCopy) take(ctx context.Context, rows [][]any) error {
	_, err := b.CopyFrom(ctx, pgx.Identifier{"bare"}, bareColumns, pgx.CopyFromRows(rows))
	return err
}

// Close ends the connection.
func (b *bareCopy) Close() error { return b.Conn.Close(context.Background()) }
