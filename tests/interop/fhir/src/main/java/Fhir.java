import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.annotation.OptionalParam;
import ca.uhn.fhir.rest.annotation.Search;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.server.RequestDetails;
import ca.uhn.fhir.rest.param.DateRangeParam;
import ca.uhn.fhir.rest.server.FifoMemoryPagingProvider;
import ca.uhn.fhir.rest.server.RestfulServer;
import ca.uhn.fhir.rest.server.provider.HashMapResourceProvider;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.ee10.servlet.ServletHolder;
import org.eclipse.jetty.server.Server;
import org.hl7.fhir.r4.model.Claim;

/** HAPI FHIR's plain server with claims in memory; the port is the argument. */
public class Fhir {
  static class Claims extends HashMapResourceProvider<Claim> {
    Claims(FhirContext context) {
      super(context, Claim.class);
    }

    @Override
    public synchronized MethodOutcome update(Claim claim, String url, RequestDetails details) {
      claim.getMeta().setLastUpdated(new Date());
      return super.update(claim, url, details);
    }

    /** What the provider in memory leaves out: the parameter that every resource has. */
    @Search
    public List<Claim> updated(@OptionalParam(name = "_lastUpdated") DateRangeParam range) {
      List<Claim> found = new ArrayList<>();
      for (Claim claim : getStoredResources()) {
        Date at = claim.getMeta().getLastUpdated();
        boolean late = range.getLowerBoundAsInstant() != null && at.before(range.getLowerBoundAsInstant());
        if (!late) {
          found.add(claim);
        }
      }
      return found;
    }
  }

  public static void main(String[] given) throws Exception {
    FhirContext context = FhirContext.forR4();
    RestfulServer fhir = new RestfulServer(context);
    fhir.registerProvider(new Claims(context));
    fhir.setPagingProvider(new FifoMemoryPagingProvider(20).setDefaultPageSize(3).setMaximumPageSize(50));
    Server server = new Server(new java.net.InetSocketAddress("127.0.0.1", Integer.parseInt(given[0])));
    ServletContextHandler handler = new ServletContextHandler();
    handler.addServlet(new ServletHolder(fhir), "/fhir/*");
    server.setHandler(handler);
    server.start();
    server.join();
  }
}
