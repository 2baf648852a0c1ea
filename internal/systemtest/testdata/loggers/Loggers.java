// Copyright the weir authors.
// SPDX-License-Identifier: Apache-2.0

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.lttng.ust.agent.context.ContextInfoManager;
import org.lttng.ust.agent.context.IContextInfoRetriever;
import org.lttng.ust.agent.jul.LttngLogHandler;
import org.lttng.ust.agent.log4j.LttngLogAppender;

/** Logs so many rounds of messages for each line that it reads, as it is told there. */
public class Loggers {
	private static final Logger one = Logger.getLogger("app.one");
	private static final Logger two = Logger.getLogger("app.two");
	private static final org.apache.log4j.Logger three = org.apache.log4j.Logger.getLogger("app.three");
	private static int round;

	public static void main(String[] args) throws Exception {
		IContextInfoRetriever contexts = new IContextInfoRetriever() {
			@Override
			public Object retrieveContextInfo(String key) {
				switch (key) {
				case "text":
					return "round " + round;
				case "number":
					return round;
				case "half":
					return round / 2.0;
				}
				return null;
			}
		};
		ContextInfoManager.getInstance().registerContextInfoRetriever("app", contexts);
		Handler handler = new LttngLogHandler();
		for (Logger l : new Logger[] {one, two}) {
			l.setLevel(Level.ALL);
			l.setUseParentHandlers(false);
			l.addHandler(handler);
		}
		LttngLogAppender appender = new LttngLogAppender();
		three.setLevel(org.apache.log4j.Level.ALL);
		three.addAppender(appender);
		System.out.println("ready");
		BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
		for (String line; (line = in.readLine()) != null;) {
			work(Integer.parseInt(line.trim()));
			System.out.println("done");
		}
		handler.close();
		appender.close();
	}

	private static void work(int rounds) {
		for (round = 0; round < rounds; round++) {
			one.finest("finest " + round);
			one.info("info " + round);
			one.severe("größer " + round);
			two.warning("two " + round);
			three.debug("debug " + round);
			three.warn("warn " + round);
			three.fatal("fatal " + round);
		}
	}
}
