// Package journal keeps a lane's entries: the one thing on a lane that cannot
// be fetched again. An entry is durable when Append returns, and stays until
// central has acknowledged it and some days more.
//
// FORMAT.md beside this file has the bytes, the durability points and what
// happens to torn and damaged files.
//
// The method set that the rest of the agent uses:
//
//	Open(dir string, o Options) (*Journal, Report, error)
//	Append(e link.Entry) (seq uint64, err error)   // sets Seq and Boot
//	Read(from uint64, max int) (entries [][]byte, before link.Hash, err error)
//	Replay(from uint64, f func(link.Entry) error) error
//	Ack(seq uint64, chain link.Hash) error
//	Run(ctx) error                                 // prepares and drops segments beside the hot path
//	ID() link.JournalID; Boot() uint32
//	First(), Last(), Acked() uint64; Chain() link.Hash
//	Level() int                                    // 0, 50, 80, 95 or 100 percent watermark passed
//	Stats() Stats; Close() error
package journal
