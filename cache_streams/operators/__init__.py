"""What operators see of open sockets, and how they end them: questions to every worker, asked only while somebody looks."""
